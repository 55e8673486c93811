//! What the report's attacks find of real runs: a model that was trained on few rows for long, without any privacy,
//! knows them by heart, and one that was trained on the same rows with an epsilon of 1 does not.

use dp2stage::engine::{Job, Overrides, Plan, Source, run, system_key};
use dp2stage::privacy::{Delta, Epsilon};
use dp2stage::report::{Claim, Evidence, Tables, evidence};
use dp2stage::tabular::{Schema, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::{Memory, categories, facts, synthetic};

const ROWS: usize = 300;
const COLUMNS: usize = 6;

fn schema() -> Schema {
    let columns = (0..COLUMNS).map(|i| categories(&format!("c{i}"), 10, false)).collect();
    Schema::new(columns, None, None).unwrap()
}

/// Rows without any rule: whoever knows one has seen it.
fn rows(rng: &mut ChaCha20Rng) -> Table {
    Table::new(COLUMNS, (0..ROWS * COLUMNS).map(|_| rng.random_range(0..10)).collect())
}

/// What attacks find after a run on `train`.
fn attacked(plan: &Plan, tables: [&Table; 2], claim: Option<Claim>) -> Evidence {
    let (schema, [train, held_out]) = (schema(), tables);
    let job = Job { plan, schema: &schema, private: train, public: None, ready: None, persons: None, real: None };
    let outcome = run(&job, &Memory::default().host(), &system_key).unwrap();
    let tables = Tables { schema: &schema, train, held_out, synthetic: synthetic(&outcome) };
    evidence(tables, claim, &mut ChaCha20Rng::seed_from_u64(1))
}

#[test]
fn attacks_find_what_was_learnt_by_heart_and_not_what_was_learnt_privately() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let (schema, train, held_out) = (schema(), rows(&mut rng), rows(&mut rng));
    let facts = dp2stage::engine::Facts {
        epsilon: Epsilon::new(1.0).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        ..facts(&schema, ROWS as u64, None, 2000)
    };
    let free = Overrides {
        source: Source::NonPrivate,
        public_steps: Some(1500),
        without_stage2: true,
        ..Overrides::default()
    };
    let mut plan = Plan::new(&facts, &free).unwrap();
    plan.public.batch = 64;
    let found = attacked(&plan, [&train, &held_out], None);
    let attacks = found.membership.measured().unwrap();
    for attack in &attacks.attacks {
        println!("by heart, {}: {:?}, at 1 %: {:?}", attack.attack, attack.area, attack.at[0].hits);
        assert!(attack.area.share > 0.7 && attack.area.interval.low > 0.65, "{attack:?}");
    }
    assert!(attacks.epsilon_at_least > 1.0, "{}", attacks.epsilon_at_least);
    assert!(found.closest.measured().unwrap().nearer_to_training.interval.low > 0.7);
    assert!(found.copies.measured().unwrap().beyond_chance.interval.low > 0.2);

    let private = Overrides { steps: Some(60), ..Overrides::default() };
    let plan = Plan::new(&facts, &private).unwrap();
    let found = attacked(&plan, [&train, &held_out], Some(Claim { epsilon: 1.0, delta: 1e-5 }));
    let attacks = found.membership.measured().unwrap();
    for attack in &attacks.attacks {
        println!("epsilon 1, {}: {:?}, at 1 %: {:?}", attack.attack, attack.area, attack.at[0].hits);
        let holds = (attack.area.interval.low..=attack.area.interval.high).contains(&0.5);
        assert!(holds || attack.area.share < 0.6, "{attack:?}");
    }
    assert!(attacks.epsilon_at_least < 1.0, "{}", attacks.epsilon_at_least);
    assert!(found.copies.measured().unwrap().beyond_chance.value < 0.02);
}
