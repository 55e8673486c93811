//! Rows by rules: bounded rejection, the generator's own distribution given the rules, and whole runs.

use dp2stage::engine::{EngineError, Job, LIMIT, Overrides, Ruled, Source, run};
use dp2stage::tabular::{Declaration, MISSING, Schema, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};

use super::{Memory, constant_key, plan, short, synthetic};

fn schema(rules: Value) -> Schema {
    let columns = json!([
        {"name": "y", "type": "categorical", "categories": ["n", "y"]},
        {"name": "low", "type": "integer", "min": 0, "max": 9},
        {"name": "high", "type": "integer", "min": 0, "max": 9, "nullable": true},
        {"name": "both", "type": "integer", "min": 0, "max": 18}]);
    let declared = json!({"columns": columns, "target": "y", "rules": rules});
    Declaration::from_json(&declared).unwrap().schema
}

fn rules() -> Value {
    json!([{"type": "order", "columns": ["low", "high"], "strict": true},
           {"type": "sum", "total": "both", "parts": ["low", "high"]},
           {"type": "combinations", "columns": ["y", "low"], "forbidden": [["y", 0], ["y", 1]]}])
}

/// Rows that keep [`rules`].
fn private(schema: &Schema, rows: usize) -> Table {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut table = Table::new(4, Vec::new());
    while table.rows() < rows {
        let mut row = [rng.random_range(0..2), rng.random_range(0..10), rng.random_range(0..10), 0];
        if schema.settle(&mut row) {
            table.push(&row);
        }
    }
    table
}

fn uniform(rng: &mut ChaCha20Rng, rows: usize) -> Table {
    let row = |rng: &mut ChaCha20Rng| [rng.random_range(0..2), rng.random_range(0..10), rng.random_range(0..10), 0];
    Table::new(4, (0..rows).flat_map(|_| row(rng)).collect())
}

/// Rows are drawn until there are enough, and each that keeps the rules is as likely as any other.
#[test]
fn what_is_left_is_the_generators_own_distribution_given_the_rules() {
    let (schema, mut rng) = (schema(rules()), ChaCha20Rng::seed_from_u64(2));
    let wanted = 20_000;
    let mut rounds = 0;
    let Ruled { rows, drawn } = dp2stage::engine::ruled(&schema, wanted, |round, count| {
        assert_eq!(round, rounds);
        rounds += 1;
        Ok(uniform(&mut rng, count))
    })
    .unwrap();
    assert_eq!(rows.rows(), wanted);
    assert!(rows.iter().all(|row| schema.broken(row).is_none()));
    // 45 pairs rise strictly; with y, those whose low is 0 or 1 (9 + 8) are forbidden.
    let (kinds, share) = (45 + 45 - 17, (45.0 + 28.0) / 200.0);
    let expected = wanted as f64 / f64::from(kinds);
    let mut counts = std::collections::BTreeMap::<Vec<u32>, u32>::new();
    rows.iter().for_each(|row| *counts.entry(row.to_vec()).or_default() += 1);
    let chi: f64 = counts.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    assert!(counts.len() == 73 && chi < 125.0, "{} kinds, {chi}", counts.len());
    let needed = wanted as f64 / share;
    assert!(drawn as f64 > needed * 0.98 && (drawn as f64) < needed * 1.25 && rounds < 8, "{drawn} {needed} {rounds}");
}

#[test]
fn what_hardly_ever_keeps_the_rules_is_given_up() {
    let schema = schema(rules());
    for wanted in [1, 7, 1000] {
        let none =
            dp2stage::engine::ruled(&schema, wanted, |_, count| Ok(Table::new(4, [0, 9, 0, 0].repeat(count)))).unwrap();
        assert_eq!((none.rows.rows(), none.drawn), (0, (LIMIT * wanted) as u64));
    }
    // One in twenty: half of what is wanted comes within ten for one.
    let mut i = 0;
    let rare = |_, count: usize| {
        let row = |k: usize| if k.is_multiple_of(20) { [0, 1, 2, 0] } else { [0, 9, 0, 0] };
        i += count;
        Ok(Table::new(4, (i - count..i).flat_map(row).collect()))
    };
    let some = dp2stage::engine::ruled(&schema, 1000, rare).unwrap();
    assert_eq!((some.rows.rows(), some.drawn), (500, 10_000));
    let mut asked = Vec::new();
    let free = dp2stage::engine::ruled(&self::schema(json!([])), 50, |round, count| {
        asked.push((round, count));
        Ok(Table::new(4, [0, 9, 0, 0].repeat(count)))
    });
    assert_eq!((free.unwrap().rows.rows(), asked), (50, vec![(0, 50)]), "without rules nothing is drawn twice");
}

fn attempt(schema: &Schema, table: &Table, overrides: &Overrides) -> Result<(Table, u64), EngineError> {
    let plan = plan(schema, table.rows() as u64, 300, overrides);
    let job = Job { plan: &plan, schema, private: table, public: None, ready: None, persons: None, real: None };
    let outcome = run(&job, &Memory::default().host(), &constant_key)?;
    assert!(outcome.drawn.iter().all(|drawn| drawn.rows.iter().all(|row| schema.broken(row).is_none())));
    Ok((synthetic(&outcome).clone(), outcome.drawn[0].tried))
}

/// Every generator's rows keep the rules: of a small model alone, and of one that measured, and of the distribution.
#[test]
fn rows_of_whole_runs_keep_the_rules() {
    let schema = schema(rules());
    let table = private(&schema, 300);
    for source in [Source::Uniform, Source::Marginal] {
        let (rows, tried) = attempt(&schema, &table, &Overrides { source, ..short() }).unwrap();
        assert_eq!(rows.rows(), 300);
        assert!(tried >= 300, "{tried}");
        let whole = rows.iter().filter(|row| row[2] != MISSING).count();
        assert!(whole > 50, "{whole} rows that rules say something about");
    }
}

/// A job none of whose rows can keep the rules ends, and says so.
#[test]
fn rules_that_no_row_keeps_end_the_job() {
    let schema = schema(json!([
        {"type": "implies", "when": {"column": "low", "min": 0}, "then": {"column": "high", "in": [null]}},
        {"type": "combinations", "columns": ["y", "high"], "forbidden": [["y", null], ["n", null]]}]));
    let table = Table::new(4, [0, 1, 2, 3].repeat(50));
    assert!(matches!(attempt(&schema, &table, &short()), Err(EngineError::Rules)));
}
