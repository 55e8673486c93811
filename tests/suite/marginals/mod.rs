//! Tests of `marginals`: what reaches the outside, what one row can move, and the mathematics in between.

mod bins;
mod fits;
mod labels;
mod survey;
mod trees;

use dp2stage::marginals::{Axis, Instrument, Phase, Recipe, Refused};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn recipe() -> Recipe {
    Recipe { bins: 20, rounds: vec![0.5, 1.0], cells: 50_000.0, triples: true, lambda: 0.03, tilt: 0.1 }
}

/// What the instrument was given and what it gave.
#[derive(Clone)]
struct Reading {
    phase: Phase,
    exact: Vec<i64>,
    noisy: Vec<i64>,
    sensitivity: u32,
    mu2: f64,
}

/// An instrument that writes everything down. Its noise is rounded Gaussian of a fixed seed, or what another one gave.
struct Recorder {
    rng: ChaCha20Rng,
    mu2: f64,
    readings: Vec<Reading>,
    replay: Option<Vec<Reading>>,
}

impl Recorder {
    /// Noise for so much squared mean in each phase.
    fn new(mu2: f64) -> Self {
        Self { rng: rng(77), mu2, readings: Vec::new(), replay: None }
    }

    /// The same answers again, whatever the counts.
    fn replay(of: &Self) -> Self {
        Self { replay: Some(of.readings.clone()), ..Self::new(of.mu2) }
    }
}

impl Instrument for Recorder {
    fn measure(&mut self, phase: Phase, counts: &mut [i64], sensitivity: u32, mu2: f64) -> Result<f64, Refused> {
        if mu2 > self.left(phase) * (1.0 + 1e-12) {
            return Err(Refused);
        }
        let exact = counts.to_vec();
        let deviation = f64::from(sensitivity) / mu2.sqrt();
        match &self.replay {
            Some(readings) => {
                let known = &readings[self.readings.len()];
                assert_eq!((known.phase, known.exact.len()), (phase, counts.len()), "another question was asked");
                counts.copy_from_slice(&known.noisy);
            }
            None => {
                for count in counts.iter_mut() {
                    let sum: f64 = (0..12).map(|_| self.rng.random::<f64>()).sum();
                    *count += ((sum - 6.0) * deviation).round() as i64;
                }
            }
        }
        self.readings.push(Reading { phase, exact, noisy: counts.to_vec(), sensitivity, mu2 });
        Ok(deviation)
    }

    fn most(&self, _: Phase) -> u32 {
        u32::MAX
    }

    fn left(&self, phase: Phase) -> f64 {
        let used: f64 = self.readings.iter().filter(|reading| reading.phase == phase).map(|reading| reading.mu2).sum();
        self.mu2 - used
    }
}

/// A column of so many values.
fn axis(values: u32, ordered: bool, missing: bool) -> Axis {
    Axis { values, ordered, missing }
}

/// A table in which columns hang together: two classes, categories, a narrow and a wide grid, a nullable column.
fn table(rows: usize, seed: u64) -> (Vec<Axis>, Vec<Vec<u32>>) {
    let axes = vec![
        axis(2, false, false),
        axis(5, false, false),
        axis(70, true, false),
        axis(100_000, true, false),
        axis(3, false, true),
    ];
    let mut rng = rng(seed);
    let mut columns = vec![Vec::new(); axes.len()];
    for _ in 0..rows {
        let y = u32::from(rng.random::<f64>() < 0.3);
        let a = if rng.random::<f64>() < 0.7 { y * 2 + rng.random_range(0..2) } else { 4 };
        let b = 10 + 20 * y + rng.random_range(0..30);
        let c = if rng.random::<f64>() < 0.8 { 0 } else { rng.random_range(0..20_000) };
        let d = if rng.random::<f64>() < 0.2 { 3 } else { rng.random_range(0..2) + u32::from(a == 4) };
        for (column, value) in columns.iter_mut().zip([y, a, b, c, d]) {
            column.push(value);
        }
    }
    (axes, columns)
}
