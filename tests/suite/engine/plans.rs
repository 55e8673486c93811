//! Plans: what they charge, from what they are made.

use dp2stage::engine::{Averaging, Descent, Facts, Overrides, Plan, Rule};
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
        let facts = Facts { schema: &schema, rows_public, persons: None, epsilon, delta, rows: 10, base: None };
        let plan = Plan::new(&facts, &Overrides { spare_blocks: Some(spare), ..Overrides::default() }).unwrap();
        prop_assert!(epsilon_of(&plan.event, delta).unwrap() <= epsilon.get());

        let private = &plan.private.unwrap();
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

/// Every optimiser and average comes back, and a plan that was stored when there was only Adam is read.
#[test]
fn plans_of_every_optimiser_come_back_and_old_ones_are_read() {
    let sgd = Descent::Sgd { momentum: 0.8 };
    for (descent, average) in [
        (sgd, None),
        (sgd, Some(Averaging::Tail { share: 0.3 })),
        (Descent::Adam, Some(Averaging::Exponential { decay: 0.98 })),
    ] {
        let plan = plan(&schema(), 5000, 100, &Overrides { descent, average, ..Overrides::default() });
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{json}");
    }
    let json = serde_json::to_value(plan(&schema(), 5000, 100, &Overrides::default())).unwrap();
    let stored = json["private"].as_object().unwrap();
    let mut members: Vec<_> = stored.keys().map(String::as_str).collect();
    members.sort_unstable();
    let of_old =
        ["adam", "block_steps", "blocks", "clipping_norm", "noise", "rate", "schedule", "spare_blocks"].to_vec();
    assert_eq!(members, of_old);
    let adam = serde_json::json!({ "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "weight_decay": 0.0 });
    let mut old = json.clone();
    old["private"]["adam"] = adam.clone();
    let read: Plan = serde_json::from_value(old).unwrap();
    assert!(matches!(read.private.unwrap().rule, Rule::Adam(settings) if settings.beta2 == 0.99));
}

/// With gradient descent the noise moves weights as far as it does with Adam, so half of the noise on a
/// mean, or half of the momentum, doubles the rate or more.
#[test]
fn the_learning_rate_of_descent_follows_from_the_noise() {
    let rate = |batch, momentum, clip| {
        let descent = Descent::Sgd { momentum };
        let wanted = Overrides { descent, expected_batch: Some(batch), clipping_norm: Some(clip), ..short() };
        plan(&schema(), 40_000, 10, &wanted).private.unwrap()
    };
    let (a, b) = (rate(40.0, 0.5, 10.0), rate(40.0, 0.75, 10.0));
    assert!((a.schedule.rate / b.schedule.rate - 2.0).abs() < 1e-4);
    let b = rate(40.0, 0.5, 20.0);
    assert!((a.schedule.rate / b.schedule.rate - 2.0).abs() < 1e-4);
    let b = rate(20.0, 0.5, 10.0);
    let noise = (a.noise.get() / 40.0, b.noise.get() / 20.0);
    assert!((f64::from(a.schedule.rate / b.schedule.rate) / (noise.1 / noise.0) - 1.0).abs() < 1e-4);
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
    assert_eq!(plan.private.unwrap().steps(), 12);
    assert!((plan.private.unwrap().rate.get() - 0.1).abs() < 1e-12);
    assert_eq!(plan.private.unwrap().schedule.rate, 0.02);
    assert_eq!(plan.private.unwrap().clipping_norm.get(), 0.5);
}

#[test]
fn spare_blocks_cost_noise() {
    let noise = |spare| {
        let overrides = Overrides { spare_blocks: Some(spare), ..Overrides::default() };
        plan(&schema(), 5000, 10, &overrides).private.unwrap().noise.get()
    };
    assert!(noise(0) < noise(2) && noise(2) < noise(20));
}

#[test]
fn numbers_without_sense_are_refused() {
    let refused = |overrides: Overrides| {
        let (epsilon, delta) = (Epsilon::new(1.0).unwrap(), Delta::new(1e-5).unwrap());
        Plan::new(
            &Facts { schema: &schema(), rows_public: 100, persons: None, epsilon, delta, rows: 10, base: None },
            &overrides,
        )
        .is_err()
    };
    let none = Overrides::default();
    assert!(!refused(none));
    assert!(refused(Overrides { steps: Some(0), ..none }));
    assert!(refused(Overrides { expected_batch: Some(f64::NAN), ..none }));
    assert!(refused(Overrides { expected_batch: Some(0.0), ..none }));
    assert!(refused(Overrides { learning_rate: Some(-1.0), ..none }));
    assert!(refused(Overrides { clipping_norm: Some(0.0), ..none }));
    for momentum in [1.0, -0.1, f32::NAN] {
        assert!(refused(Overrides { descent: Descent::Sgd { momentum }, ..none }));
    }
    for average in
        [Averaging::Tail { share: 0.0 }, Averaging::Tail { share: 1.5 }, Averaging::Exponential { decay: 1.0 }]
    {
        assert!(refused(Overrides { average: Some(average), ..none }));
    }
    assert!(refused(Overrides { spare_blocks: Some(u32::MAX), ..none }));
}
