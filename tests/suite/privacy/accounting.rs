//! The accountant against exact values, closed forms and its own laws.

use dp2stage::privacy::{
    AccountingError, Delta, DpEvent, Epsilon, Loss, NoiseMultiplier, Release, SamplingRate, epsilon_rdp,
    gaussian_delta, gaussian_epsilon, noise_multiplier,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::repeats;

fn release(q: f64, sigma: f64, count: u32) -> Release {
    Release { rate: SamplingRate::new(q).unwrap(), sigma: NoiseMultiplier::new(sigma).unwrap(), count }
}

fn loss(releases: &[(f64, f64, u32)]) -> Loss {
    let mut loss = Loss::default();
    for &(q, sigma, count) in releases {
        loss.add_release(release(q, sigma, count)).unwrap();
    }
    loss
}

fn of(releases: &[(f64, f64, u32)], delta: f64) -> f64 {
    dp2stage::privacy::epsilon(&loss(releases), Delta::new(delta).unwrap()).unwrap()
}

fn renyi(releases: &[(f64, f64, u32)], delta: f64) -> f64 {
    epsilon_rdp(&loss(releases), Delta::new(delta).unwrap()).unwrap()
}

fn epsilon(q: f64, sigma: f64, count: u32, delta: f64) -> f64 {
    of(&[(q, sigma, count)], delta)
}

/// Cases from independent accountants (`tests/fixtures/accounting.json`): `min` is the exact epsilon
/// or sigma less the error of its computation, `goal_max` 0.1 % above it, `max` 0.5 %; `rdp` is the
/// better of two public Renyi accountants, which search a fixed list of orders.
#[test]
fn exact_values_are_met_from_above() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../fixtures/accounting.json")).unwrap();
    let mut within_goal = 0;
    for case in &cases {
        let number = |key: &str| case[key].as_f64().unwrap_or(f64::INFINITY);
        let delta = number("delta");
        let ours = if case["kind"] == "calibration" {
            let (rate, target) = (SamplingRate::new(number("q")).unwrap(), Epsilon::new(number("epsilon")).unwrap());
            let delta = Delta::new(delta).unwrap();
            noise_multiplier(rate, number("steps") as u32, target, delta).unwrap().get()
        } else {
            let part = |e: &Value| {
                let number = |key: &str| e[key].as_f64().unwrap();
                (number("q"), number("sigma"), e["steps"].as_u64().unwrap() as u32)
            };
            let events: Vec<_> = case["events"].as_array().unwrap().iter().map(part).collect();
            let bound = renyi(&events, delta);
            // Real orders can only be better than a list; the margin is that of the last digits.
            assert!(bound <= number("rdp") * (1.0 + 1e-6), "{case}: {bound} is above a public Renyi accountant");
            let ours = of(&events, delta);
            assert!(ours <= bound * (1.0 + 1e-9), "{case}: {ours} is above the Renyi bound {bound}");
            ours
        };
        assert!(ours >= number("min"), "{case}: {ours} is below the exact value");
        assert!(ours <= number("max"), "{case}: {ours} is too wide");
        within_goal += usize::from(ours <= number("goal_max"));
    }
    println!("{} cases, none below the exact value, {within_goal} within the goal", cases.len());
    assert!(within_goal * 20 >= cases.len() * 19, "{within_goal} of {} within the goal", cases.len());
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
        let ours = renyi(&[(q, sigma, 100)], delta);
        assert!(ours <= bound.max(0.0) * (1.0 + 2e-7) + 2e-12, "q {q} sigma {sigma}: {ours} > {bound}");
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

/// One Gaussian by the formula of Balle and Wang 2018, and k of them as one.
#[test]
fn releases_on_all_rows_are_analytic() {
    for (sigma, k, delta) in [(3.0, 9u32, 1e-6), (40.0, 100, 1e-5), (0.3, 1, 1e-12), (700.0, 3, 1e-15)] {
        let mean = f64::from(k).sqrt() / sigma;
        let ours = epsilon(1.0, sigma, k, delta);
        assert!((ours - gaussian_epsilon(mean, delta)).abs() <= 1e-9 * ours + 1e-12);
        assert!(ours == 0.0 || (gaussian_delta(mean, ours) / delta - 1.0).abs() < 1e-6);
        // A sampled release beside it that says nothing to speak of leaves it where it was.
        let beside = of(&[(1.0, sigma, k), (1e-9, 100.0, 1)], delta);
        assert!(beside >= ours * (1.0 - 1e-9) && beside <= ours * (1.0 + 2e-4) + 1e-6, "{beside} {ours}");
    }
}

/// Parts in any order and cut in any way are the same composition.
#[test]
fn compositions_do_not_care_about_order() {
    let (a, b, c) = ((0.01, 0.9, 700), (0.002, 0.6, 900), (1.0, 6.0, 2));
    let whole = of(&[a, b, c], 1e-6);
    for other in [vec![c, b, a], vec![(0.01, 0.9, 300), b, (0.01, 0.9, 400), (1.0, 6.0, 1), (1.0, 6.0, 1)]] {
        assert!((of(&other, 1e-6) / whole - 1.0).abs() < 1e-9);
    }
    let (part, sum) = (of(&[a, b], 1e-6), of(&[a, b], 5e-7) + of(&[c], 5e-7));
    assert!(part < whole && whole < sum, "{part} {whole} {sum}");
}

/// What tells all with a small probability is paid from delta.
#[test]
fn leaks_are_paid_from_delta() {
    let mut leaky = loss(&[(0.01, 1.0, 500)]);
    leaky.add_epsilon_delta(0.0, 4e-7, 2).unwrap();
    let delta = |d: f64| Delta::new(d).unwrap();
    let ours = dp2stage::privacy::epsilon(&leaky, delta(1e-6)).unwrap();
    assert!((ours / epsilon(0.01, 1.0, 500, 2e-7) - 1.0).abs() < 1e-6);
    assert_eq!(dp2stage::privacy::epsilon(&leaky, delta(8e-7)), Err(AccountingError::Leaks));
}

/// Ten thousand draws from the whole domain: a number that is no NaN and no more than the Renyi bound,
/// or an error in words.
#[test]
fn the_whole_domain_has_an_answer() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(rand::random());
    for _ in 0..repeats(200, 10_000) {
        let mut log = |low: f64, high: f64| rng.random_range(low.ln()..=high.ln()).exp().clamp(low, high);
        let parts = [(); 3].map(|()| (log(1e-9, 1.0), log(0.2, 1e3), log(1.0, 1e6) as u32));
        let parts = &parts[..log(1.0, 3.9) as usize];
        let delta = Delta::new(log(1e-15, 0.1)).unwrap();
        match dp2stage::privacy::epsilon(&loss(parts), delta) {
            Ok(ours) => {
                let bound = epsilon_rdp(&loss(parts), delta).unwrap_or(f64::INFINITY);
                assert!(ours >= 0.0 && ours <= bound * (1.0 + 1e-6) + 1e-9, "{parts:?} {delta}: {ours} {bound}");
            }
            Err(error) => assert_eq!(error, AccountingError::Unreachable, "{parts:?} {delta}"),
        }
    }
    let many = loss(&[(0.1, 1.0, 9_000_000), (0.2, 1.0, 2_000_000)]);
    assert_eq!(dp2stage::privacy::epsilon(&many, Delta::SMALLEST), Err(AccountingError::TooManySteps));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// More noise, fewer rows, fewer steps or a larger delta never cost more, but for what grids may add.
    #[test]
    fn loss_is_monotone(lq in -9.0f64..0.0, ls in -1.2f64..4.0, steps in 1u32..20_000, ld in -30.0f64..-5.0) {
        let (q, sigma, delta) = (lq.exp(), ls.exp(), ld.exp());
        let base = epsilon(q, sigma, steps, delta);
        prop_assert!(base.is_finite() && base >= 0.0);
        let slack = 2e-4 * base + 1e-9;
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
