//! Neighbouring tables: what a step does not take leaves no trace. Rows reach a result through the
//! sampled, clipped and noised sums and in no other way, so that under the same key a table with one
//! unit more gives the same job, bit for bit, as long as no step samples that unit.

use dp2stage::engine::{Job, Overrides, Plan, Progress, Streams, run};
use dp2stage::privacy::{Purpose, poisson};
use dp2stage::tabular::{Groups, MISSING, Schema, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::persons::{dealt, unit};
use super::{Constant, Memory, facts, learnt, schema, synthetic, table};

/// Everything that a run shows: calls to its host, progress, the last checkpoint, weights, rows.
type Shown = (Vec<String>, Vec<Progress>, Option<Vec<u8>>, Vec<u8>, Vec<u32>);

fn shown(plan: &Plan, schema: &Schema, private: &Table, persons: Option<&Groups>, key: u64) -> Shown {
    let memory = Memory::default();
    let fresh_key = || Box::new(Constant(key)) as Box<dyn Streams>;
    let outcome =
        run(&Job { plan, schema, private, public: None, ready: None, persons, real: None }, &memory.host(), &fresh_key)
            .unwrap();
    let rows = synthetic(&outcome).iter().flatten().copied().collect();
    (memory.log.take(), memory.seen.take(), memory.checkpoint.take(), learnt(&outcome).weights.clone(), rows)
}

/// Whether some step of the plan takes the unit with this index.
fn taken(plan: &Plan, unit: usize, key: u64) -> bool {
    (0..plan.private.unwrap().steps()).any(|step| {
        let mut sampling = Constant(key).stream(Purpose::Sampling, u64::from(step));
        poisson(&mut sampling, plan.private.unwrap().rate, unit + 1).contains(&(unit as u32))
    })
}

fn random_row(rng: &mut ChaCha20Rng) -> [u32; 3] {
    let number = if rng.random() { MISSING } else { [0, 1000, rng.random_range(0..1001)][rng.random_range(0..3)] };
    [rng.random_range(0..2), rng.random_range(0..3), number]
}

/// A short job over rows, or over persons of three rows.
fn short_plan(schema: &Schema, each: usize) -> Plan {
    let persons = if each > 1 { unit(50, 3) } else { None };
    let facts = facts(schema, 50 * each as u64, persons, 5);
    let overrides = Overrides { steps: Some(6), expected_batch: Some(5.0), ..Overrides::default() };
    let mut plan = Plan::new(&facts, &overrides).unwrap();
    (plan.public.steps, plan.public.batch) = (1, 8);
    plan
}

#[test]
fn a_unit_that_no_step_takes_leaves_no_trace() {
    let schema = schema();
    let plans = [(1, short_plan(&schema, 1)), (3, short_plan(&schema, 3))];
    let mut rng = ChaCha20Rng::seed_from_u64(23);
    let (mut untouched, mut touched) = (0, 0);
    for pair in 0..200u64 {
        let (each, plan) = &plans[pair as usize % 2];
        let units = rng.random_range(0..60);
        let less: Vec<u32> = table(units * each).iter().flatten().copied().collect();
        let mut more = less.clone();
        (0..*each).for_each(|_| more.extend(random_row(&mut rng)));
        let shown = |codes: Vec<u32>| {
            let table = Table::new(3, codes);
            let (gathered, groups) = dealt(&schema, &table, *each, 3);
            let (private, groups) = if *each > 1 { (&gathered, Some(&groups)) } else { (&table, None) };
            shown(plan, &schema, private, groups, pair)
        };
        let same = shown(less) == shown(more);
        if taken(plan, units, pair) {
            touched += 1;
            assert!(!same, "pair {pair}: the test must see what a unit does");
        } else {
            untouched += 1;
            assert!(same, "pair {pair}: a unit that was not sampled left a trace");
        }
    }
    assert!(untouched > 60 && touched > 40, "{untouched} {touched}");
}
