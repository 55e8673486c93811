//! The private step, by statistics over many of them: sampling, clipping, noise, divisor.

use dp2stage::engine::{Chance, Mechanism, PrivateRows, Streams, Work};
use dp2stage::model::{Config, Gpt2, Heads};
use dp2stage::privacy::{ClippingNorm, NoiseMultiplier, NoiseSource, SamplingRate};
use dp2stage::tabular::{Codec, Compact, Groups, Schema, Table};
use rand::{Rng, SeedableRng};

use super::{categories, schema, table};

pub(super) fn mechanism(rate: f64, clip: f64, noise: f64, rows_public: u64) -> Mechanism {
    Mechanism {
        rate: SamplingRate::new(rate).unwrap(),
        clipping_norm: ClippingNorm::new(clip).unwrap(),
        noise: NoiseMultiplier::new(noise).unwrap(),
        units_public: rows_public,
    }
}

pub(super) fn small_model(codec: &Compact) -> (Gpt2, Vec<f32>) {
    let config = Config {
        vocabulary: codec.vocabulary() as usize,
        positions: codec.width(),
        width: 8,
        layers: 1,
        heads: 2,
        opening: 0,
    };
    let model = Gpt2::new(config, Heads::places(codec.spans()), codec.width()).unwrap();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(3);
    let parameters = (0..model.layout().len()).map(|_| rng.random_range(-0.5..0.5)).collect();
    (model, parameters)
}

/// Released gradients of `steps` steps.
pub(super) fn releases(
    mechanism: Mechanism,
    schema: &Schema,
    (table, persons): (&Table, Option<&Groups>),
    steps: u64,
) -> Vec<Vec<f32>> {
    let compact = Compact::new(schema);
    let (model, parameters) = small_model(&compact);
    let codec = Codec::Compact(compact);
    let longest = persons.map_or(1, |persons| (0..persons.len()).map(|i| persons.rows(i).len()).max().unwrap_or(1));
    let mut work = Work::new(&model, longest);
    let key = NoiseSource::from_os();
    (0..steps)
        .map(|step| {
            let chance = Chance { streams: &key as &dyn Streams, step };
            let rows = PrivateRows { table, persons, codec: &codec };
            mechanism.release(&parameters, rows, chance, &mut work).unwrap();
            work.gradient.clone()
        })
        .collect()
}

pub(super) fn deviation(values: impl Iterator<Item = f32>) -> f64 {
    let (mut n, mut sum, mut squares) = (0f64, 0f64, 0f64);
    for x in values {
        n += 1.0;
        sum += f64::from(x);
        squares += f64::from(x).powi(2);
    }
    (squares / n - (sum / n).powi(2)).sqrt()
}

/// The noise on the mean is sigma C / (q n): more than half a per cent more or less fails, so halved
/// or doubled noise, a forgotten C, or another divisor all do.
#[test]
fn empty_batches_release_pure_noise_of_the_right_size() {
    let empty = Table::new(3, Vec::new());
    for (rate, clip, noise, n) in [(0.1, 1.0, 2.0, 1000), (1.0, 0.25, 1.0, 77), (0.5, 4.0, 0.7, 10)] {
        let released = releases(mechanism(rate, clip, noise, n), &schema(), (&empty, None), 100);
        let expected = noise * clip / (rate * n as f64);
        let count = released.len() * released[0].len();
        assert!(count > 100_000);
        let std = deviation(released.iter().flatten().copied());
        assert!((std / expected - 1.0).abs() < 0.01, "{std} against {expected}");
    }
}

#[test]
fn no_two_steps_and_no_two_keys_share_noise() {
    let empty = Table::new(3, Vec::new());
    let mechanism = mechanism(0.5, 1.0, 1.0, 10);
    let mut all = releases(mechanism, &schema(), (&empty, None), 3);
    all.extend(releases(mechanism, &schema(), (&empty, None), 3));
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
            assert!(same < a.len() / 100);
        }
    }
}

/// One value in one column: every row has the same gradient, so the sum counts the sampled rows.
fn counts(rows: usize, rate: f64, rows_public: u64, clip: f64, steps: u64) -> Vec<f64> {
    let schema = Schema::new(vec![categories("a", 2, false)], None, None).unwrap();
    let table = Table::new(1, vec![0; rows]);
    let released = releases(mechanism(rate, clip, 0.2, rows_public), &schema, (&table, None), steps);
    along_their_mean(&released)
}

/// The length of each release in the direction of their mean, which is that of the clipped row.
pub(super) fn along_their_mean(released: &[Vec<f32>]) -> Vec<f64> {
    let count = released.len() as f64;
    let mean: Vec<f64> =
        (0..released[0].len()).map(|j| released.iter().map(|r| f64::from(r[j])).sum::<f64>() / count).collect();
    let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
    released.iter().map(|r| r.iter().zip(&mean).map(|(&x, m)| f64::from(x) * m / length).sum()).collect()
}

/// The length of the mean is q N C / (q n): it would grow without clipping, and be off with a divisor
/// that is the realised batch size (it would be C) or another rate.
#[test]
fn the_sum_is_clipped_and_divided_by_the_public_constant() {
    let clip = 0.05;
    let along = counts(400, 0.25, 200, clip, 300);
    let mean = along.iter().sum::<f64>() / along.len() as f64;
    assert!((mean / (clip * 400.0 / 200.0) - 1.0).abs() < 0.02, "{mean}");
}

/// Batch sizes vary as N q (1 - q), plus sigma^2: a fixed-size or shuffled sampler fails.
#[test]
fn batch_sizes_vary_as_poisson_sampling_makes_them() {
    let (rows, rate, clip) = (400, 0.25, 0.05);
    let along = counts(rows, rate, 200, clip, 1500);
    let unit = clip / (rate * 200.0);
    let std = deviation(along.iter().map(|x| (x / unit) as f32));
    let expected = (rows as f64 * rate * (1.0 - rate) + 0.2f64.powi(2)).sqrt();
    assert!((std / expected - 1.0).abs() < 0.08, "{std} against {expected}");
}

#[test]
fn one_row_more_moves_a_release_by_no_more_than_its_share() {
    let full = mechanism(1.0, 0.5, 0.2, 30);
    let (schema, all) = (schema(), table(30));
    let less = Table::new(3, all.iter().take(29).flatten().copied().collect());
    let compact = Compact::new(&schema);
    let (model, parameters) = small_model(&compact);
    let codec = Codec::Compact(compact);
    let key = NoiseSource::from_os();
    let release = |table: &Table| {
        let mut work = Work::new(&model, 1);
        let chance = Chance { streams: &key as &dyn Streams, step: 0 };
        full.release(&parameters, PrivateRows { table, persons: None, codec: &codec }, chance, &mut work).unwrap();
        work.gradient
    };
    // The same key and step: the same noise, so the difference is the row's.
    let (a, b) = (release(&all), release(&less));
    let change = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    assert!(change <= 0.5 / 30.0 * (1.0 + 1e-4), "{change}");
    assert!(change > 0.1 / 30.0, "the row should count: {change}");
}
