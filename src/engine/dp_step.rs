//! One private step: clip, sum, noise, divide. Nothing else happens here, and nothing else in the
//! engine touches the gradient of a private row.

use crate::model::{Batch, Clipping, Gpt2, Lanes};
use crate::privacy::{ClippingNorm, NoiseMultiplier, Purpose, SamplingRate, add_gaussian, poisson};
use crate::tabular::{Codec, Table};

use super::ports::Streams;

/// Removing a row may change a sum by the clipping norm and by the rounding of single-precision
/// products besides; the noise is made larger by as much.
const SUMMATION_SLACK: f64 = 1.0 + 1e-5;

/// The subsampled Gaussian mechanism on gradients (Abadi et al. 2016, Algorithm 1, with Poisson
/// sampling and a constant divisor).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mechanism {
    /// q: the chance of each row to take part.
    pub rate: SamplingRate,
    /// C: the longest gradient of one row.
    pub clipping_norm: ClippingNorm,
    /// sigma: standard deviation of the noise over C.
    pub noise: NoiseMultiplier,
    /// The declared number of rows, a public constant; not the number there really are.
    pub rows_public: u64,
}

/// The private rows and how they are read.
#[derive(Clone, Copy)]
pub struct PrivateRows<'a> {
    /// The rows.
    pub table: &'a Table,
    /// From codes to tokens.
    pub codec: &'a Codec,
}

impl Mechanism {
    /// q times the declared number of rows: what every sum is divided by.
    #[must_use]
    pub fn expected_batch(&self) -> f64 {
        self.rate.get() * self.rows_public as f64
    }

    /// Releases a noisy mean gradient at `parameters` into `work.gradient`. An empty batch is a step like any other.
    pub fn release(&self, parameters: &[f32], rows: PrivateRows<'_>, chance: Chance<'_>, work: &mut Work<'_>) {
        let mut sampling = chance.streams.stream(Purpose::Sampling, chance.step);
        let taken = poisson(&mut sampling, self.rate, rows.table.rows());
        let fetch = |i: usize, tokens: &mut [u32]| rows.codec.encode(rows.table.row(taken[i] as usize), tokens);
        let batch = Batch { rows: taken.len(), fetch: &fetch };
        let clipping = Clipping::Norm(self.clipping_norm.get());
        work.lanes.gradient_sum(work.model, parameters, batch, clipping, &mut work.sum);

        let mut noise = chance.streams.stream(Purpose::Noise, chance.step);
        let deviation = self.noise.get() * self.clipping_norm.get() * SUMMATION_SLACK;
        add_gaussian(&mut noise, deviation, &mut work.sum);
        work.divide(self.expected_batch());
    }
}

/// The randomness of one step: a key that no other attempt has, and a step that it has not met.
#[derive(Clone, Copy)]
pub struct Chance<'a> {
    /// Streams under the key.
    pub streams: &'a dyn Streams,
    /// The step.
    pub step: u64,
}

/// Buffers of a step, allocated once.
pub struct Work<'a> {
    /// The model's shape.
    pub model: &'a Gpt2,
    /// Passes over batches.
    pub lanes: Lanes,
    /// A sum of gradients, one number a parameter.
    pub sum: Vec<f64>,
    /// The result of a step: one number a parameter.
    pub gradient: Vec<f32>,
}

impl<'a> Work<'a> {
    /// Buffers for a model.
    #[must_use]
    pub fn new(model: &'a Gpt2) -> Self {
        let length = model.layout().len();
        Self { model, lanes: Lanes::new(model), sum: vec![0.0; length], gradient: vec![0.0; length] }
    }

    /// Makes the sum over a number of rows the result of the step.
    pub fn divide(&mut self, rows: f64) {
        self.gradient.iter_mut().zip(&self.sum).for_each(|(x, sum)| *x = (sum / rows) as f32);
    }
}
