//! Discrete Gaussian noise is what it is called, and an allowance is never overdrawn.

use dp2stage::privacy::{Allowance, Deviation, DpEvent, NoiseMultiplier, NoiseSource, Purpose, discrete_gaussian};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

const DRAWS: usize = 200_000;

/// The largest distance between the empirical distribution function and the exact one.
fn distance(draws: &mut [i64], s: f64) -> f64 {
    draws.sort_unstable();
    let reach = (12.0 * s) as i64 + 2;
    let density = |y: i64| (-((y as f64) / s).powi(2) / 2.0).exp();
    let whole: f64 = (-reach..=reach).map(density).sum();
    let (mut below, mut seen, mut worst) = (0.0, 0, 0.0f64);
    for y in -reach..=reach {
        below += density(y) / whole;
        while seen < draws.len() && draws[seen] <= y {
            seen += 1;
        }
        worst = worst.max((below - seen as f64 / draws.len() as f64).abs());
    }
    worst
}

fn draws(s: f64) -> Vec<i64> {
    let mut rng = NoiseSource::from_os().stream(Purpose::Measurement, 1);
    let deviation = Deviation::at_least(s).unwrap();
    (0..DRAWS).map(|_| discrete_gaussian(&mut rng, deviation)).collect()
}

/// Kolmogorov and Smirnov at 1e-6.
fn critical() -> f64 {
    (-(1e-6f64 / 2.0).ln() / (2.0 * DRAWS as f64)).sqrt()
}

#[test]
fn draws_have_the_exact_distribution() {
    for s in [1.0, 1.5, 3.1875, 54.0, 9000.5] {
        let found = distance(&mut draws(s), s);
        assert!(found < critical(), "s = {s}: {found}");
    }
}

/// The test above has power: a tenth more or less fails it, and so does a sign that is missing.
#[test]
fn another_distribution_is_caught() {
    for s in [1.5, 54.0] {
        assert!(distance(&mut draws(s), 1.1 * s) > critical());
        assert!(distance(&mut draws(s), 0.9 * s) > critical());
        let mut folded: Vec<i64> = draws(s).into_iter().map(i64::abs).collect();
        assert!(distance(&mut folded, s) > critical());
    }
}

proptest! {
    #[test]
    fn releases_within_an_allowance_cost_no_more_than_its_event(
        multiplier in 0.3f64..4.0,
        parts in prop::collection::vec((0.1f64..0.9, 1u32..20), 1..6),
    ) {
        let noise = NoiseMultiplier::new(multiplier).unwrap();
        let mut allowance = Allowance::of(noise);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut events = Vec::new();
        for (share, sensitivity) in parts {
            let mu2 = allowance.left() * share;
            let mut counts = [5, -3];
            let s = allowance.release(&mut rng, &mut counts, sensitivity, mu2).unwrap();
            prop_assume!(s <= 1000.0);
            let noise_multiplier = NoiseMultiplier::new(s).unwrap();
            events.push(DpEvent::DiscreteGaussian { noise_multiplier, sensitivity });
        }
        let spent = DpEvent::Composed { events }.loss().unwrap().mu2();
        let charged = DpEvent::gaussian(noise).loss().unwrap().mu2();
        prop_assert!(spent <= charged, "{spent} of {charged}");
        prop_assert!(allowance.left() >= 0.0);
    }
}

#[test]
fn nothing_is_drawn_beyond_an_allowance() {
    let mut allowance = Allowance::of(NoiseMultiplier::new(2.0).unwrap());
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut counts = [7, 8, 9];
    for mu2 in [0.2501, f64::NAN, 0.0, -1.0, f64::INFINITY] {
        assert!(allowance.release(&mut rng, &mut counts, 1, mu2).is_err());
    }
    assert_eq!(counts, [7, 8, 9]);
    allowance.release(&mut rng, &mut counts, 1, 0.2).unwrap();
    assert!(allowance.release(&mut rng, &mut counts, 1, 0.2).is_err());
    assert!(Deviation::at_least(1e9).is_none());
}
