//! Noise and sampling are what the accountant assumes. Error rates are stated: alpha = 1e-6.

use dp2stage::privacy::{NoiseSource, Pseudonyms, Purpose, SamplingRate, add_gaussian, poisson};
use rand::RngCore;

const DRAWS: usize = 1_000_000;

/// The largest distance between the empirical distribution and the standard normal one.
fn distance_from_normal(mut draws: Vec<f64>) -> f64 {
    draws.sort_by(f64::total_cmp);
    let n = draws.len() as f64;
    let distance = |(i, x): (usize, &f64)| {
        let at = normal_cdf(*x);
        (at - i as f64 / n).abs().max(((i + 1) as f64 / n - at).abs())
    };
    draws.iter().enumerate().map(distance).fold(0.0, f64::max)
}

/// Abramowitz and Stegun 7.1.26, error below 1.5e-7.
fn normal_cdf(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let erf = 1.0 - poly * (-z * z).exp();
    if x < 0.0 { (1.0 - erf) / 2.0 } else { (1.0 + erf) / 2.0 }
}

fn draws(std: f64) -> Vec<f64> {
    let mut noise = vec![0.0; DRAWS];
    add_gaussian(&mut NoiseSource::from_os().stream(Purpose::Noise, 7), std, &mut noise);
    noise
}

/// Kolmogorov and Smirnov at 1e-6: sqrt(-ln(alpha / 2) / (2 n)).
fn critical() -> f64 {
    (-(1e-6f64 / 2.0).ln() / (2.0 * DRAWS as f64)).sqrt()
}

#[test]
fn noise_is_gaussian_with_the_stated_deviation() {
    let noise = draws(3.0);
    let std = (noise.iter().map(|x| x * x).sum::<f64>() / DRAWS as f64).sqrt();
    assert!((std / 3.0 - 1.0).abs() < 0.005, "{std}");
    assert!(distance_from_normal(noise.iter().map(|x| x / 3.0).collect()) < critical());
}

/// The test above has power: halved, doubled and repeated noise fail it.
#[test]
fn wrong_noise_is_caught() {
    for factor in [0.5, 2.0] {
        assert!(distance_from_normal(draws(factor)) > critical());
    }
    // Few enough that their own scatter, repeated, is beyond the critical distance with near certainty.
    let few = &draws(1.0)[..DRAWS / 200];
    let repeated: Vec<f64> = few.iter().cycle().take(DRAWS).copied().collect();
    assert!(distance_from_normal(repeated) > critical());
}

#[test]
fn streams_never_share_bytes() {
    let source = NoiseSource::from_os();
    let other = NoiseSource::from_os();
    let mut seen = std::collections::HashSet::new();
    for purpose in [Purpose::Sampling, Purpose::Noise, Purpose::Generation] {
        for step in 0..200 {
            assert!(seen.insert(source.stream(purpose, step).next_u64()), "{purpose:?} {step} repeats");
            assert!(seen.insert(other.stream(purpose, step).next_u64()), "two keys agree");
        }
    }
    assert_eq!(source.stream(Purpose::Noise, 3).next_u64(), source.stream(Purpose::Noise, 3).next_u64());
}

/// Batch sizes vary like a binomial (a shuffled or fixed-size loader has no variance), and every
/// unit is taken equally often.
#[test]
fn sampling_is_poisson() {
    let (units, rounds) = (2_000, 2_000);
    let rate = SamplingRate::new(0.05).unwrap();
    let source = NoiseSource::from_os();
    let mut taken = vec![0u32; units];
    let mut sizes = Vec::new();
    for step in 0..rounds {
        let batch = poisson(&mut source.stream(Purpose::Sampling, step), rate, units);
        assert!(batch.windows(2).all(|w| w[0] < w[1]));
        sizes.push(batch.len() as f64);
        batch.iter().for_each(|&i| taken[i as usize] += 1);
    }
    let mean = sizes.iter().sum::<f64>() / rounds as f64;
    let variance = sizes.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (rounds - 1) as f64;
    // N q = 100, N q (1 - q) = 95; standard errors 0.22 and 3.0; five of them is beyond 1e-6.
    assert!((mean - 100.0).abs() < 1.1, "{mean}");
    assert!((variance - 95.0).abs() < 15.0, "{variance}");
    // Each unit's count has mean 100, variance 95: the sum of squared z-scores is chi-squared(2000).
    let chi: f64 = taken.iter().map(|&c| (f64::from(c) - 100.0).powi(2) / 95.0).sum();
    assert!((chi - 2000.0).abs() < 5.0 * (2.0 * 2000.0f64).sqrt(), "{chi}");
}

#[test]
fn rates_at_the_ends() {
    let source = NoiseSource::from_os();
    assert_eq!(poisson(&mut source.stream(Purpose::Sampling, 0), SamplingRate::ALL, 1000).len(), 1000);
    let tiny = SamplingRate::new(1e-300).unwrap();
    assert!(poisson(&mut source.stream(Purpose::Sampling, 1), tiny, 100_000).is_empty());
}

/// Pseudonyms are the same for one identifier under one key, and tell nothing under another; coins are
/// uniform and everybody's own.
#[test]
fn pseudonyms_depend_on_the_identifier_and_the_key_alone() {
    let (a, b) = (Pseudonyms::new(&NoiseSource::from_os()), Pseudonyms::new(&NoiseSource::from_os()));
    assert_eq!(a.of(b"patient 7"), a.of(b"patient 7"));
    for other in [&b"patient 8"[..], b"patient 77", b"Patient 7", b""] {
        assert_ne!(a.of(b"patient 7").pseudonym, a.of(other).pseudonym);
    }
    assert_ne!(a.of(b"patient 7").pseudonym, b.of(b"patient 7").pseudonym);
    let coins: Vec<f64> = (0..100_000u32).map(|i| a.of(&i.to_le_bytes()).coin as f64 / u64::MAX as f64).collect();
    // Every tenth of the range, at five standard deviations (alpha about 6e-7 each).
    for tenth in 0..10 {
        let inside = coins.iter().filter(|coin| (**coin * 10.0) as usize == tenth).count() as f64;
        assert!((inside - 10_000.0).abs() < 5.2 * (100_000.0f64 * 0.1 * 0.9).sqrt(), "{tenth}: {inside}");
    }
}
