//! Privacy evidence: laws of its distance, agreement with Python, what memorised and innocent tables look like, and
//! tables that have nothing to compare.

use dp2stage::report::evidence::{
    Proportion, Space, area_with_interval, attributes, binomial_quantile_bounds, binomial_tail, closest, copies,
    difference_of_pairs, difference_of_shares, implied_epsilon, membership, nearest, one_run_bound, operating,
    two_rates_bound, wilson,
};
use dp2stage::report::{Claim, Evidence, Tables, evidence};
use dp2stage::tabular::{Code, Domain, MISSING, Schema, Table};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::Value;

use super::tables::{self, categories, filled, integers, shuffled, two_tables};

fn near(ours: f64, theirs: &Value, tolerance: f64, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} here, {theirs} there");
}

/// Gower's distance as it is defined.
fn gower(schema: &Schema, a: &[Code], b: &[Code]) -> f64 {
    let cell = |(column, (&a, &b)): (&dp2stage::tabular::Column, (&Code, &Code))| match &column.domain {
        _ if a == b => 0.0,
        _ if a == MISSING || b == MISSING => 1.0,
        Domain::Categories(_) => 1.0,
        Domain::Grid(grid) => {
            (grid.number(a) - grid.number(b)).abs() / (grid.number(grid.count() - 1) - grid.number(0))
        }
    };
    schema.columns().iter().zip(a.iter().zip(b)).map(cell).sum::<f64>() / schema.width() as f64
}

fn all(table: &Table) -> Vec<usize> {
    (0..table.rows()).collect()
}

proptest! {
    #[test]
    fn the_nearest_are_the_nearest(drawn in two_tables(), wanted in 1usize..4) {
        let (schema, a, b) = drawn.build();
        let space = Space::of(&schema);
        let found = nearest(&space, &space.points(&a, &all(&a)), &space.points(&b, &all(&b)), wanted);
        prop_assert_eq!(found.kept, wanted.min(b.rows()));
        for (i, row) in a.iter().enumerate() {
            let mut expected: Vec<f64> = b.iter().map(|other| gower(&schema, row, other)).collect();
            expected.sort_by(f64::total_cmp);
            for (ours, theirs) in found.of(i).iter().zip(&expected) {
                prop_assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{} {}", ours, theirs);
            }
        }
    }

    /// Who wins and who loses, and all scores moved through a rising function, change nothing that matters.
    #[test]
    fn areas_are_about_order_alone(
        a in proptest::collection::vec(0u8..9, 1..40), b in proptest::collection::vec(0u8..9, 1..40),
    ) {
        let scores = |of: &[u8], f: fn(f64) -> f64| of.iter().map(|&x| f(f64::from(x))).collect::<Vec<f64>>();
        let area = |f: fn(f64) -> f64| area_with_interval(&scores(&a, f), &scores(&b, f));
        let (plain, bent, turned) = (area(|x| x), area(f64::exp), area(|x| -x));
        prop_assert_eq!(plain, bent);
        prop_assert!((plain.share + turned.share - 1.0).abs() < 1e-12);
        prop_assert!(plain.interval.low <= plain.share && plain.share <= plain.interval.high);
        prop_assert!((0.0..=1.0).contains(&plain.interval.low) && (0.0..=1.0).contains(&plain.interval.high));
    }
}

#[test]
fn the_small_tables_are_as_python_says() {
    let (schema, train, held_out, synthetic) = tables::fixture();
    let expected = tables::json(&tables::fixtures().join("evidence.json"));
    let space = Space::of(&schema);
    let points = |table: &Table, rows: std::ops::Range<usize>| space.points(table, &rows.collect::<Vec<_>>());
    let made = points(&synthetic, 0..1400);

    let found = closest(&space, &made, &points(&train, 0..1500), &points(&held_out, 0..1500));
    for (name, ours) in [
        ("to_training", found.to_training),
        ("to_held_out", found.to_held_out),
        ("ratio_to_training", found.ratio_to_training),
        ("ratio_to_held_out", found.ratio_to_held_out),
    ] {
        near(ours.median, &expected["closest"][name]["median"], 1e-6, name);
        near(ours.percentile_5, &expected["closest"][name]["percentile_5"], 1e-6, name);
    }
    near(found.nearer_to_training.share, &expected["closest"]["nearer"], 1e-3, "nearer to training");

    let (members, others) = (points(&train, 0..700), points(&held_out, 0..700));
    let attacks = membership(&space, (&members, &others), &points(&held_out, 700..1500), &made, None).attacks;
    for (ours, theirs) in attacks.iter().zip(expected["membership"].as_array().unwrap()) {
        near(ours.area.share, &theirs["area"], 2e-4, &ours.attack);
        near(ours.area.interval.low, &theirs["low"], 2e-4, &ours.attack);
        near(ours.area.interval.high, &theirs["high"], 2e-4, &ours.attack);
        for (at, hits) in ours.at.iter().zip(theirs["hits"].as_array().unwrap()) {
            near(at.hits.share, hits, 2e-3, &ours.attack);
        }
    }
    let guessed = attributes(&space, &schema, (&members, &others), &made).unwrap();
    for (ours, theirs) in guessed.columns.iter().zip(expected["attributes"].as_array().unwrap()) {
        near(ours.of_training, &theirs[0], 0.01, &ours.column);
        near(ours.of_held_out, &theirs[1], 0.01, &ours.column);
        assert!((ours.of_training - ours.of_held_out - ours.beyond_held_out.value).abs() < 1e-12);
    }
}

#[test]
fn intervals_and_bounds_are_as_python_says() {
    let expected = tables::json(&tables::fixtures().join("evidence.json"));
    for case in expected["intervals"].as_array().unwrap() {
        let [k, n] = [0, 1].map(|i| case["of"][i].as_u64().unwrap() as usize);
        let (exact, wilson) = (binomial_quantile_bounds(k, n, 0.0125), wilson(k as f64, n, 0.95).interval);
        near(exact.low, &case["exact"][0], 1e-9, "exact low");
        near(exact.high, &case["exact"][1], 1e-9, "exact high");
        near(wilson.low, &case["wilson"][0], 1e-9, "Wilson low");
        near(wilson.high, &case["wilson"][1], 1e-9, "Wilson high");
        near(binomial_tail(k, n, 0.3), &case["tail"], 1e-9, "tail");
    }
    for case in expected["one_run"].as_array().unwrap() {
        let [m, told, right] = [0, 1, 2].map(|i| case["of"][i].as_u64().unwrap() as usize);
        let [delta, tail] = [3, 4].map(|i| case["of"][i].as_f64().unwrap());
        near(one_run_bound((right, told), m, delta, tail), &case["epsilon"], 1e-6, "one run");
    }
    assert_eq!(one_run_bound((50, 100), 100, 0.0, 0.05), 0.0);
    // By hand: Newcombe's tenth example, and rates that refute nothing or are certain.
    let difference = difference_of_shares((56, 70), (48, 80), 0.95);
    assert!((difference.value - 0.2).abs() < 1e-12);
    assert!((difference.interval.low - 0.0524).abs() < 1e-4 && (difference.interval.high - 0.3339).abs() < 1e-4);
    let pairs = difference_of_pairs(0, 0, 1000, 0.95);
    assert!(pairs.value == 0.0 && pairs.interval.low > -0.004 && pairs.interval.high < 0.004);
    assert_eq!(two_rates_bound((10, 100), (10, 100), 0.0, 0.05), 0.0);
    assert_eq!(two_rates_bound((0, 0), (0, 0), 0.0, 0.05), 0.0);
    let certain = two_rates_bound((1000, 1000), (0, 1000), 1e-5, 0.05);
    let by_hand = (0.0125f64.powf(0.001) - 1e-5).ln() - (1.0 - 0.0125f64.powf(0.001)).ln();
    // a tail of 0.05 is shared by both rates
    let by_hand = by_hand + ((1.0 - 0.0125f64.powf(0.001)) / (1.0 - 0.025f64.powf(0.001))).ln();
    assert!((certain - by_hand).abs() < 1e-2, "{certain} {by_hand}");
}

/// Rows of columns that hang together, from one stream.
fn rows(count: usize, rng: &mut ChaCha20Rng) -> Table {
    let mut table = Table::new(6, Vec::new());
    for _ in 0..count {
        let a = rng.random_range(0..12u32);
        let number = if rng.random_bool(0.05) { MISSING } else { 40 * a + rng.random_range(0..500) };
        let rest = [0; 3].map(|_: i32| rng.random_range(0..8u32));
        table.push(&[a, number, rest[0], rest[1], rest[2], u32::from(rng.random_bool(0.1 + 0.06 * f64::from(a)))]);
    }
    table
}

fn schema() -> Schema {
    let mut columns = vec![categories("a", 12, false), integers("n", 0, 999, true)];
    columns.extend(["x", "y", "z"].map(|name| categories(name, 8, true)));
    columns.push(categories("t", 2, false));
    Schema::new(columns, Some(5), Some(1)).unwrap()
}

fn of(train: &Table, held_out: &Table, synthetic: &Table, claim: Option<Claim>) -> Evidence {
    let schema = schema();
    let tables = Tables { schema: &schema, train, held_out, synthetic };
    evidence(tables, claim, &mut ChaCha20Rng::seed_from_u64(7))
}

fn holds(share: Proportion, what: f64) -> bool {
    (share.interval.low..=share.interval.high).contains(&what)
}

/// A table that copies its training rows, some cells changed, is found by every part; one that was drawn afresh by
/// none.
#[test]
fn copied_rows_are_found_and_fresh_rows_are_not() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let (train, held_out, fresh) = (rows(1500, &mut rng), rows(1200, &mut rng), rows(1500, &mut rng));
    let copied =
        filled(6, 1500, |i, j| if tables::hash(i, j).is_multiple_of(12) { fresh.row(i)[j] } else { train.row(i)[j] });
    let claim = Some(Claim { epsilon: 1.0, delta: 1e-5 });
    let (bad, good) = (of(&train, &held_out, &copied, claim), of(&train, &held_out, &fresh, claim));

    let (bad_near, good_near) = (bad.closest.measured().unwrap(), good.closest.measured().unwrap());
    assert!(bad_near.nearer_to_training.interval.low > 0.8, "{bad_near:?}");
    assert!(bad_near.ratio_to_training.median < 0.5 * bad_near.ratio_to_held_out.median);
    assert!(bad_near.to_training.median < 0.5 * bad_near.to_held_out.median);
    assert!(holds(good_near.nearer_to_training, 0.5), "{good_near:?}");
    assert_eq!((good_near.synthetic_rows, good_near.reference_rows), (1500, 1200));

    let (bad_copies, good_copies) = (bad.copies.measured().unwrap(), good.copies.measured().unwrap());
    assert!(bad_copies.beyond_chance.interval.low > 0.3, "{bad_copies:?}");
    assert!(good_copies.beyond_chance.interval.low <= 0.0 && good_copies.beyond_chance.interval.high >= 0.0);

    let (bad_attacks, good_attacks) = (bad.membership.measured().unwrap(), good.membership.measured().unwrap());
    assert_eq!((bad_attacks.members, bad_attacks.non_members, bad_attacks.reference_rows), (600, 600, 600));
    for attack in &bad_attacks.attacks {
        assert!(attack.area.interval.low > 0.7 && attack.at[0].hits.interval.low > 0.2, "{attack:?}");
        assert!(attack.at.iter().all(|at| at.alarms <= at.allowed_alarms));
    }
    assert!(bad_attacks.epsilon_at_least > 2.0, "the claim of 1 is refuted: {}", bad_attacks.epsilon_at_least);
    for attack in &good_attacks.attacks {
        assert!(holds(attack.area, 0.5), "{attack:?}");
    }
    assert!(good_attacks.epsilon_at_least < 0.3, "{}", good_attacks.epsilon_at_least);

    let (bad_guesses, good_guesses) = (bad.attributes.measured().unwrap(), good.attributes.measured().unwrap());
    let columns: Vec<&str> = bad_guesses.columns.iter().map(|column| column.column.as_str()).collect();
    assert_eq!(columns, ["a", "n", "x", "y", "z", "t"]);
    for column in &bad_guesses.columns[2..5] {
        assert!(column.beyond_held_out.interval.low > 0.1, "{column:?}");
    }
    for column in &good_guesses.columns {
        let interval = column.beyond_held_out.interval;
        assert!(interval.low <= 0.0 && interval.high >= 0.0, "{column:?}");
    }
    // What the table tells about everybody is no leak: `a` follows from `n`.
    assert!(good_guesses.columns[0].of_held_out > 1.5 / 12.0);
}

#[test]
fn the_same_tables_give_the_same_evidence_whatever_the_threads() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (train, held_out, made) = (rows(700, &mut rng), rows(500, &mut rng), rows(600, &mut rng));
    let at = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| of(&train, &held_out, &made, None))
    };
    assert_eq!(at(1), at(2));
    let json = serde_json::to_value(at(1)).unwrap();
    assert_eq!(serde_json::from_value::<Evidence>(json).unwrap(), at(1));
    // Where nothing is sampled, the order of rows does not matter.
    let a = of(&train, &held_out, &made, None);
    let b = of(&shuffled(&train), &shuffled(&held_out), &shuffled(&made), None);
    assert_ne!(a.membership, b.membership, "held-out rows are shared out by the stream");
    let sorted = |evidence: &Evidence| evidence.closest.measured().unwrap().to_held_out;
    assert_eq!(sorted(&a), sorted(&b));
}

#[test]
fn copies_are_counted_beside_chance() {
    let table = |rows: &[[u32; 2]]| Table::new(2, rows.concat());
    let train = table(&[[0, 0], [1, 1], [2, MISSING]]);
    let held_out = table(&[[0, 0], [3, 3], [3, 2]]);
    let made = table(&[[0, 0], [0, 0], [1, 1], [2, MISSING], [3, 3], [9, 9]]);
    let found = copies(&made, (&train, &[0, 1, 2]), (&held_out, &[0, 1, 2]));
    assert_eq!((found.synthetic_rows, found.reference_rows), (6, 3));
    assert!((found.of_training.share - 4.0 / 6.0).abs() < 1e-12 && (found.of_held_out.share - 3.0 / 6.0).abs() < 1e-12);
    assert!((found.beyond_chance.value - 1.0 / 6.0).abs() < 1e-12);
}

/// At a threshold that so many others exceed, scores of ties count for nobody.
#[test]
fn hits_are_counted_above_what_few_others_reach() {
    let others: Vec<f64> = (0..100).map(f64::from).collect();
    let (hits, alarms) = operating(&[98.5, 99.0, 99.5, 3.0], &others, 0.01);
    assert_eq!((hits.share, alarms), (0.75, 0.01));
    let (hits, alarms) = operating(&[1.0, 1.0], &[1.0; 50], 0.1);
    assert_eq!((hits.share, alarms), (0.0, 0.0));
    let apart = area_with_interval(&[1.0; 30], &[0.0; 40]);
    assert!(apart.share == 1.0 && apart.interval.high == 1.0 && (0.87..0.9).contains(&apart.interval.low));
    assert!(implied_epsilon(&[1.0; 400], &[0.0; 400], 1e-5, 0.05) > 3.0);
    assert!(
        implied_epsilon(&[0.0; 400], &[1.0; 400], 1e-5, 0.05) == 0.0,
        "an attack that is always wrong shows nothing"
    );
}

#[test]
fn tables_with_nothing_to_compare_say_so() {
    let narrow = Schema::new(vec![categories("t", 2, true)], Some(0), None).unwrap();
    let constant = Schema::new(vec![categories("a", 1, false), integers("n", 5, 5, false)], None, None).unwrap();
    let wide = Schema::new(vec![categories("a", 3, true), integers("n", 0, 9, true)], None, None).unwrap();
    for schema in [narrow, constant, wide] {
        let nullable = schema.columns().iter().all(|column| column.nullable);
        for cell in [0, MISSING] {
            if cell == MISSING && !nullable {
                continue;
            }
            let table = |rows: usize| filled(schema.width(), rows, |_, _| cell);
            for sizes in [[0, 0, 0], [1, 1, 1], [40, 0, 40], [40, 40, 0], [0, 40, 40], [40, 40, 1], [90, 90, 90]] {
                let [train, held_out, synthetic] = sizes.map(table);
                let tables = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &synthetic };
                let found = evidence(tables, None, &mut ChaCha20Rng::seed_from_u64(1));
                let json = serde_json::to_string(&found).unwrap();
                assert!(!json.contains("null"), "{json}");
                assert_eq!(found.closest.measured().is_some(), sizes.iter().all(|rows| *rows > 0) && sizes[0] > 1);
                assert_eq!(found.membership.measured().is_some(), sizes[0] > 1 && sizes[1] > 1 && sizes[2] > 0);
                let guessed = found.attributes.measured().is_some();
                assert_eq!(guessed, nullable && schema.width() > 1 && sizes[0] > 1 && sizes[1] > 1 && sizes[2] > 0);
                if let Some(closest) = found.closest.measured() {
                    assert_eq!(closest.nearer_to_training.share, 0.5, "all are alike");
                }
            }
        }
    }
}
