//! How Gaussian noise is made: of which words of the keystream, by how many threads, how far out. Error
//! rates are stated.

use std::f64::consts::{FRAC_PI_2, PI};

use dp2stage::privacy::{NoiseSource, Purpose, add_gaussian, gaussian_pair, noisy_mean};
use proptest::prelude::*;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;

const DRAWS: usize = 1_000_000;

fn draws(rng: &mut ChaCha20Rng, length: usize) -> Vec<f64> {
    let mut noise = vec![0.0; length];
    add_gaussian(rng, 1.0, &mut noise);
    noise
}

/// Box and Muller by the standard library, with the signs and mirror images of ours.
fn by_definition(radius: u64, angle: u64) -> (f64, f64) {
    let unit = 2f64.powi(-64);
    let r = (-2.0 * ((radius as f64 + 0.5) * unit).ln()).sqrt();
    let (sin, cos) = ((angle << 2) as i64 as f64 * unit * FRAC_PI_2).sin_cos();
    let (x, y) = if angle >> 63 == 1 { (sin, cos) } else { (cos, sin) };
    let sign = if angle >> 62 & 1 == 1 { -1.0 } else { 1.0 };
    (sign * r * x, sign * r * y)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Under any key, in any stream, from any position (the end of the 32-bit counter, and of the 64-bit
    /// one, included): the words are those that `rand_chacha` gives, each is used once, in whole
    /// batches of sixteen blocks, and the stream stands behind them afterwards.
    #[test]
    fn noise_is_made_of_the_keystream(
        key: [u8; 32],
        stream: u64,
        at in prop_oneof![0u128..100, Just((1u128 << 36) - 16 * 7), (1u128 << 68) - 16 * 20..(1 << 68) - 16 * 19],
        length in 1usize..700,
    ) {
        let mut rng = ChaCha20Rng::from_seed(key);
        rng.set_stream(stream);
        rng.set_word_pos(at);
        let mut words = rng.clone();
        let noise = draws(&mut rng, length);
        words.set_word_pos(at.next_multiple_of(16));
        for batch in noise.chunks(128) {
            let blocks: Vec<[u64; 8]> = (0..16).map(|_| std::array::from_fn(|_| words.next_u64())).collect();
            for (i, &z) in batch.iter().enumerate() {
                let (pair, second, block) = (i / 32, i % 32 >= 16, i % 16);
                let (x, y) = by_definition(blocks[block][2 * pair], blocks[block][2 * pair + 1]);
                let expected = if second { y } else { x };
                prop_assert!((z - expected).abs() < 1e-14 * (1.0 + expected.abs()), "{i}: {z} for {expected}");
            }
        }
        prop_assert_eq!(rng.next_u64(), words.next_u64());
    }

    /// The whole range of both words: the radius is right to the last place wherever it lies, and all
    /// four mirror images of an angle are.
    #[test]
    fn a_pair_follows_its_definition(radius: u64, angle: u64, shift in 0u32..64) {
        let radius = radius >> shift;
        let ((x, y), (a, b)) = (gaussian_pair(radius, angle), by_definition(radius, angle));
        prop_assert!((x - a).abs() < 1e-14 * (1.0 + a.abs()) && (y - b).abs() < 1e-14 * (1.0 + b.abs()));
        let expected = -2.0 * ((radius as f64 + 0.5) * 2f64.powi(-64)).ln();
        prop_assert!(((x * x + y * y) / expected - 1.0).abs() < 1e-13, "{} for {expected}", x * x + y * y);
    }
}

/// Beyond nine standard deviations on either side, and never infinite or nothing.
#[test]
fn the_tail_is_not_cut_short() {
    for quarter in 0..4u64 {
        let (x, y) = gaussian_pair(0, quarter << 62);
        assert!(x.abs().max(y.abs()) > 9.4, "{x} {y}");
        assert!(x.is_finite() && y.is_finite());
        let (x, y) = gaussian_pair(u64::MAX, quarter << 62);
        assert!(x.is_finite() && y.is_finite(), "{x} {y}");
    }
}

/// Angles go round: in every eighth of the circle as many as in the next one (alpha 1e-6: five standard
/// deviations of each count).
#[test]
fn angles_go_round() {
    let noise = draws(&mut NoiseSource::from_os().stream(Purpose::Noise, 0), DRAWS);
    let mut counts = [0f64; 8];
    for batch in noise.chunks_exact(32) {
        for (x, y) in batch[..16].iter().zip(&batch[16..]) {
            counts[((y.atan2(*x) / PI + 1.0) * 4.0).min(7.0) as usize] += 1.0;
        }
    }
    let mean = counts.iter().sum::<f64>() / 8.0;
    assert!(counts.iter().all(|count| (count - mean).abs() < 5.2 * (mean * 7.0 / 8.0).sqrt()), "{counts:?}");
}

/// As many values beyond 2, 3, 4 and 4.5 standard deviations as there should be, on each side (alpha 1e-6
/// each: 5.2 standard deviations of a Poisson count, and three more for the skewness of the rarest).
#[test]
fn the_tails_are_as_heavy_as_they_should_be() {
    let noise = draws(&mut NoiseSource::from_os().stream(Purpose::Noise, 1), 4 * DRAWS);
    for (beyond, chance) in [(2.0, 2.275_013_2e-2), (3.0, 1.349_898e-3), (4.0, 3.167_124e-5), (4.5, 3.397_673e-6)] {
        let mean = 4.0 * DRAWS as f64 * chance;
        for side in [1.0, -1.0] {
            let count = noise.iter().filter(|&&z| z * side > beyond).count() as f64;
            assert!((count - mean).abs() < 5.2 * mean.sqrt() + 3.0, "{count} beyond {beyond}, expected {mean}");
        }
    }
}

/// Neighbours in a vector, in a batch, and in batches that other threads make, are not correlated, nor
/// are their squares (alpha 1e-6 each: 4.9 standard deviations).
#[test]
fn neighbours_and_neighbouring_batches_are_independent() {
    let noise = draws(&mut NoiseSource::from_os().stream(Purpose::Noise, 2), DRAWS);
    let correlation = |of: fn(f64) -> f64, lag: usize, deviation: f64| {
        let sum: f64 = noise.iter().zip(&noise[lag..]).map(|(&a, &b)| of(a) * of(b)).sum();
        sum / (deviation * ((DRAWS - lag) as f64).sqrt())
    };
    for lag in [1, 2, 8, 16, 32, 64, 128, 256, 128 * 64, 2 * 128 * 64] {
        let (plain, squares) = (correlation(|z| z, lag, 1.0), correlation(|z| z * z - 1.0, lag, 2.0));
        assert!(plain.abs() < 4.9 && squares.abs() < 5.5, "lag {lag}: {plain} and {squares}");
    }
}

/// A block that was used twice would show 128 equal numbers; of a million doubles hardly two are equal by
/// chance (alpha 1e-9 for four).
#[test]
fn no_bytes_are_used_twice() {
    let mut rng = NoiseSource::from_os().stream(Purpose::Noise, 3);
    let mut all = draws(&mut rng, DRAWS / 2 + 1);
    all.extend(draws(&mut rng, DRAWS / 2));
    let mut bits: Vec<u64> = all.iter().map(|z| z.to_bits()).collect();
    bits.sort_unstable();
    let repeated = bits.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(repeated < 4, "{repeated}");
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let source = NoiseSource::from_os();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| draws(&mut source.stream(Purpose::Noise, 4), 100_003))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

/// A longer draw begins with a shorter one, and two draws in turn are one.
#[test]
fn a_number_depends_on_its_place_alone() {
    let source = NoiseSource::from_os();
    let stream = || source.stream(Purpose::Noise, 5);
    let whole = draws(&mut stream(), 128 * 200);
    assert_eq!(whole[..777], draws(&mut stream(), 777));
    let mut rng = stream();
    let mut parts = draws(&mut rng, 128 * 70);
    parts.extend(draws(&mut rng, 128 * 130));
    assert_eq!(whole, parts);
}

/// The mean of a step is the noisy sum over the divisor, in one pass.
#[test]
fn a_noisy_mean_is_a_noisy_sum_divided() {
    let source = NoiseSource::from_os();
    let sum: Vec<f64> = (0..20_000).map(|i| f64::from(i).sqrt()).collect();
    let (mut noisy, mut mean) = (sum.clone(), vec![0f32; sum.len()]);
    let (mut a, mut b) = (source.stream(Purpose::Noise, 6), source.stream(Purpose::Noise, 6));
    add_gaussian(&mut a, 2.5, &mut noisy);
    noisy_mean(&mut b, 2.5, &sum, 77.0, &mut mean);
    assert!(noisy.iter().zip(&mean).all(|(x, m)| (x / 77.0) as f32 == *m));
    assert_eq!(a.next_u64(), b.next_u64());
}
