//! Plans: what they charge, from what they are made.

use dp2stage::engine::{Facts, Overrides, Plan};
use dp2stage::privacy::{Delta, DpEvent, Epsilon, epsilon_of};
use dp2stage::tabular::Schema;
use proptest::prelude::*;

use super::{categories, plan, schema, short};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For any size of table and any budget, the charged event costs at most what was asked for.
    #[test]
    fn the_event_of_a_plan_stays_within_its_budget(
        rows_public in 500u64..1_000_000,
        columns in 2usize..60,
        epsilon in 0.3f64..10.0,
        spare in 0u32..4,
    ) {
        let columns = (0..columns).map(|i| categories(&format!("c{i}"), 5, false)).collect();
        let schema = Schema::new(columns, Some(1), None).unwrap();
        let (epsilon, delta) = (Epsilon::new(epsilon).unwrap(), Delta::new(1e-6).unwrap());
        let facts = Facts { schema: &schema, rows_public, persons: None, epsilon, delta, rows: 10 };
        let plan = Plan::new(&facts, &Overrides { spare_blocks: Some(spare), ..Overrides::default() }).unwrap();
        prop_assert!(epsilon_of(&plan.event, delta).unwrap() <= epsilon.get());

        let private = &plan.private;
        prop_assert_eq!(private.spare_blocks, spare);
        let step = DpEvent::gaussian(private.noise).poisson_sampled(private.rate);
        let repeats = (private.blocks + spare) * private.block_steps;
        prop_assert_eq!(plan.event, step.self_composed(repeats));
        prop_assert!(private.rate.get() > 0.0 && private.rate.get() <= 1.0);
    }
}

#[test]
fn a_plan_comes_back_from_json() {
    let plan = plan(&schema(), 5000, 100, &Overrides::default());
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
}

#[test]
fn the_same_facts_give_the_same_plan() {
    let plan = || plan(&schema(), 5000, 100, &Overrides::default());
    assert_eq!(plan(), plan());
}

#[test]
fn overrides_are_followed() {
    let wanted = Overrides { learning_rate: Some(0.02), clipping_norm: Some(0.5), ..short() };
    let plan = plan(&schema(), 400, 10, &wanted);
    assert_eq!(plan.private.steps(), 12);
    assert!((plan.private.rate.get() - 0.1).abs() < 1e-12);
    assert_eq!(plan.private.schedule.rate, 0.02);
    assert_eq!(plan.private.clipping_norm.get(), 0.5);
}

#[test]
fn spare_blocks_cost_noise() {
    let noise = |spare| {
        let overrides = Overrides { spare_blocks: Some(spare), ..Overrides::default() };
        plan(&schema(), 5000, 10, &overrides).private.noise.get()
    };
    assert!(noise(0) < noise(2) && noise(2) < noise(20));
}

#[test]
fn numbers_without_sense_are_refused() {
    let refused = |overrides: Overrides| {
        let (epsilon, delta) = (Epsilon::new(1.0).unwrap(), Delta::new(1e-5).unwrap());
        Plan::new(&Facts { schema: &schema(), rows_public: 100, persons: None, epsilon, delta, rows: 10 }, &overrides)
            .is_err()
    };
    let none = Overrides::default();
    assert!(!refused(none));
    assert!(refused(Overrides { steps: Some(0), ..none }));
    assert!(refused(Overrides { expected_batch: Some(f64::NAN), ..none }));
    assert!(refused(Overrides { expected_batch: Some(0.0), ..none }));
    assert!(refused(Overrides { learning_rate: Some(-1.0), ..none }));
    assert!(refused(Overrides { clipping_norm: Some(0.0), ..none }));
    assert!(refused(Overrides { spare_blocks: Some(u32::MAX), ..none }));
}
