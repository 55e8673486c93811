//! The accountant against exact values, closed forms and its own monotonicity.

use dp2stage::privacy::{
    Delta, DpEvent, Epsilon, NoiseMultiplier, Release, SamplingRate, noise_multiplier, rdp_epsilon,
};
use proptest::prelude::*;
use serde_json::Value;

fn release(q: f64, sigma: f64, count: u32) -> Release {
    Release { rate: SamplingRate::new(q).unwrap(), sigma: NoiseMultiplier::new(sigma).unwrap(), count }
}

fn epsilon(q: f64, sigma: f64, count: u32, delta: f64) -> f64 {
    rdp_epsilon(&[release(q, sigma, count)], Delta::new(delta).unwrap()).unwrap()
}

/// 39 cases from independent accountants (`tests/fixtures/accounting.json`): `min` is the exact
/// epsilon or sigma less the error of its computation, `rdp` the better of two public Renyi
/// accountants, which search a fixed list of orders.
#[test]
fn never_below_the_exact_values() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../fixtures/accounting.json")).unwrap();
    let (mut checked, mut within) = (0, 0);
    for case in &cases {
        let number = |key: &str| case[key].as_f64().unwrap_or(f64::NAN);
        let delta = Delta::new(number("delta")).unwrap();
        let (ours, least, most) = if case["kind"] == "calibration" {
            let rate = SamplingRate::new(number("q")).unwrap();
            let target = Epsilon::new(number("epsilon")).unwrap();
            let sigma = noise_multiplier(rate, number("steps") as u32, target, delta).unwrap().get();
            (sigma, number("sigma_min"), number("sigma_max"))
        } else {
            let events: Vec<Release> = (case["events"].as_array().unwrap().iter())
                .map(|e| {
                    release(e["q"].as_f64().unwrap(), e["sigma"].as_f64().unwrap(), e["steps"].as_u64().unwrap() as u32)
                })
                .collect();
            let ours = rdp_epsilon(&events, delta).unwrap();
            // Real orders can only be better than a list; the margin is that of the last digits.
            assert!(ours <= number("rdp") * (1.0 + 1e-6), "{case}: {ours} is above a public Renyi accountant");
            (ours, number("min"), number("max"))
        };
        assert!(ours >= least, "{case}: {ours} is below the exact value");
        checked += 1;
        within += usize::from(ours <= most);
    }
    println!("{checked} cases, none below the exact value, {within} within the goal of a tight accountant");
    assert_eq!(checked, cases.len());
}

/// Mironov, Talwar and Zhang 2019, section 3.3: at integer orders the moment is a finite sum.
#[test]
fn integer_orders_agree_with_the_binomial_sum() {
    for (q, sigma, order) in [(0.01, 1.0, 8u32), (0.2, 3.0, 32), (0.5, 0.7, 4), (1e-4, 0.4, 3), (0.9, 20.0, 200)] {
        let log_choose = |n: u32, k: u32| (0..k).map(|i| f64::from(n - i).ln() - f64::from(i + 1).ln()).sum::<f64>();
        let terms: Vec<f64> = (0..=order)
            .map(|k| {
                let (n, k) = (f64::from(order), f64::from(k));
                log_choose(order, k as u32)
                    + (n - k) * (1.0f64 - q).ln()
                    + k * q.ln()
                    + (k * k - k) / (2.0 * sigma * sigma)
            })
            .collect();
        let peak = terms.iter().copied().fold(f64::MIN, f64::max);
        let closed = (peak + terms.iter().map(|t| (t - peak).exp()).sum::<f64>().ln()) / f64::from(order - 1);
        // One order alone bounds epsilon, so the best order can only be lower or equal.
        let delta: f64 = 1e-6;
        let a = f64::from(order);
        let bound = 100.0 * closed + ((a - 1.0) / a).ln() - (delta.ln() + a.ln()) / (a - 1.0);
        let ours = epsilon(q, sigma, 100, delta);
        assert!(ours <= bound.max(0.0) * (1.0 + 2e-7) + 2e-12, "q {q} sigma {sigma}: {ours} > {bound}");
    }
}

/// k Gaussians on all rows are one Gaussian with sigma / sqrt(k).
#[test]
fn gaussians_compose_like_one() {
    for (sigma, k) in [(3.0, 9u32), (40.0, 100), (10.0, 4)] {
        let many = epsilon(1.0, sigma, k, 1e-6);
        let one = epsilon(1.0, sigma / f64::from(k).sqrt(), 1, 1e-6);
        assert!((many - one).abs() < 1e-9 * one, "{many} {one}");
    }
}

#[test]
fn a_tree_is_the_sum_of_its_leaves() {
    let sigma = NoiseMultiplier::new(1.3).unwrap();
    let rate = SamplingRate::new(0.02).unwrap();
    let step = DpEvent::gaussian(sigma).poisson_sampled(rate);
    let tree = DpEvent::Composed { events: vec![step.clone().self_composed(300), step.self_composed(200)] };
    let delta = Delta::new(1e-6).unwrap();
    let ours = dp2stage::privacy::epsilon_of(&tree, delta).unwrap();
    assert!((ours - epsilon(0.02, 1.3, 500, 1e-6)).abs() < 1e-12);
    let text = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<DpEvent>(&text).unwrap(), tree);
    let odd = DpEvent::gaussian(sigma).self_composed(2).poisson_sampled(rate);
    assert!(dp2stage::privacy::epsilon_of(&odd, delta).is_err(), "sampling of a composition has no rule");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// More noise, fewer rows, fewer steps or a larger delta never cost more.
    #[test]
    fn loss_is_monotone(lq in -9.0f64..0.0, ls in -1.2f64..4.0, steps in 1u32..20_000, ld in -30.0f64..-5.0) {
        let (q, sigma, delta) = (lq.exp(), ls.exp(), ld.exp());
        let base = epsilon(q, sigma, steps, delta);
        prop_assert!(base.is_finite() && base >= 0.0);
        let slack = 1e-7 * base + 1e-9;
        prop_assert!(epsilon(q, sigma * 1.05, steps, delta) <= base + slack);
        prop_assert!(epsilon(q * 0.95, sigma, steps, delta) <= base + slack);
        prop_assert!(epsilon(q, sigma, steps - steps / 10, delta) <= base + slack);
        prop_assert!(epsilon(q, sigma, steps, delta * 1.5) <= base + slack);
    }

    /// A calibrated multiplier keeps the promise, and one tick less breaks it.
    #[test]
    fn calibration_is_tight(lq in -6.0f64..0.0, steps in 1u32..3_000, le in -2.0f64..2.5) {
        let (rate, target) = (SamplingRate::new(lq.exp()).unwrap(), Epsilon::new(le.exp()).unwrap());
        let delta = Delta::new(1e-6).unwrap();
        let sigma = noise_multiplier(rate, steps, target, delta).unwrap().get();
        prop_assert!(epsilon(rate.get(), sigma, steps, 1e-6) <= target.get());
        if sigma > 0.2 {
            prop_assert!(epsilon(rate.get(), (sigma - 1e-4).max(0.2), steps, 1e-6) > target.get());
        }
    }
}
