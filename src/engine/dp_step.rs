//! One private step: clip, sum, noise, divide. Nothing else happens here, and nothing else in the
//! engine touches the gradient of a private row. What is sampled, clipped and counted is the unit of
//! privacy: a row, or all rows of a person.

use rayon::prelude::*;

use crate::model::{Batch, Clipping, Compute, DeviceError, Gpt2, Lanes, Passes, Room, vectorised};
use crate::privacy::{ClippingNorm, NoiseMultiplier, Purpose, SamplingRate, noisy_mean, poisson};
use crate::tabular::{Codec, Groups, Table};

use super::encoded::Encoded;
use super::ports::Streams;

/// Removing a unit may change a sum by the clipping norm and by the rounding of single-precision
/// products besides; the noise is made larger by as much.
const SUMMATION_SLACK: f64 = 1.0 + 1e-5;

/// The subsampled Gaussian mechanism on gradients (Abadi et al. 2016, Algorithm 1, with Poisson
/// sampling and a constant divisor).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mechanism {
    /// q: the chance of each unit to take part.
    pub rate: SamplingRate,
    /// C: the longest gradient of one unit.
    pub clipping_norm: ClippingNorm,
    /// sigma: standard deviation of the noise over C.
    pub noise: NoiseMultiplier,
    /// The declared number of units, a public constant; not the number there really are.
    pub units_public: u64,
}

/// The private rows and how they are read.
#[derive(Clone, Copy)]
pub struct PrivateRows<'a> {
    /// The rows.
    pub table: &'a Table,
    /// Whose rows they are; `None` where each row is a unit of its own.
    pub persons: Option<&'a Groups>,
    /// From codes to tokens.
    pub codec: &'a Codec,
}

impl Mechanism {
    /// q times the declared number of units: what every sum is divided by.
    #[must_use]
    pub fn expected_batch(&self) -> f64 {
        self.rate.get() * self.units_public as f64
    }

    /// Releases a noisy mean gradient at `parameters` into `work.gradient`. An empty batch is a step like any other.
    ///
    /// # Errors
    /// [`DeviceError`] when the device that computes fails; nothing is released then.
    pub fn release(
        &self,
        parameters: &[f32],
        rows: PrivateRows<'_>,
        chance: Chance<'_>,
        work: &mut Work<'_>,
    ) -> Result<(), DeviceError> {
        let mut sampling = chance.streams.stream(Purpose::Sampling, chance.step);
        let taken = rows.of(&poisson(&mut sampling, self.rate, rows.units()));
        let encoded = Encoded { table: rows.table, rows: &taken.rows, codec: rows.codec };
        let batch = match rows.persons {
            None => Batch::of_ragged_rows(taken.rows.len(), &encoded),
            Some(_) => Batch::of_ragged_groups(&taken.ends, &encoded),
        };
        let clipping = Clipping::Norm(self.clipping_norm.get());
        work.lanes.gradient_sum(work.model, parameters, batch, clipping, &mut work.sum)?;

        let mut noise = chance.streams.stream(Purpose::Noise, chance.step);
        let deviation = self.noise.get() * self.clipping_norm.get() * SUMMATION_SLACK;
        noisy_mean(&mut noise, deviation, &work.sum, self.expected_batch(), &mut work.gradient);
        Ok(())
    }
}

/// The rows of the units that take part in a step.
struct Taken {
    rows: Vec<u32>,
    /// Where each unit ends among them; empty where rows are units.
    ends: Vec<usize>,
}

impl PrivateRows<'_> {
    /// Units of privacy among the rows.
    fn units(&self) -> usize {
        self.persons.map_or(self.table.rows(), Groups::len)
    }

    fn of(&self, units: &[u32]) -> Taken {
        let Some(persons) = self.persons else { return Taken { rows: units.to_vec(), ends: Vec::new() } };
        let mut taken = Taken { rows: Vec::new(), ends: Vec::with_capacity(units.len()) };
        for &unit in units {
            taken.rows.extend(persons.rows(unit as usize).map(|row| row as u32));
            taken.ends.push(taken.rows.len());
        }
        taken
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
    pub lanes: Passes,
    /// A sum of gradients, one number a trained parameter.
    pub sum: Vec<f64>,
    /// The result of a step: one number a trained parameter.
    pub gradient: Vec<f32>,
}

impl<'a> Work<'a> {
    /// Buffers for a model and for units of at most `longest` rows, on slices.
    #[must_use]
    pub fn new(model: &'a Gpt2, longest: usize) -> Self {
        Self::with(model, Passes::Slices(Lanes::new(model, longest)))
    }

    /// Buffers of a chosen size on whatever computes.
    ///
    /// # Errors
    /// [`DeviceError`] when the model does not fit the device.
    pub fn on(compute: &Compute, model: &'a Gpt2, longest: usize, room: Room) -> Result<Self, DeviceError> {
        Ok(Self::with(model, Passes::new(model, longest, room, compute)?))
    }

    fn with(model: &'a Gpt2, lanes: Passes) -> Self {
        let length = model.layout().trained_len();
        Self { model, lanes, sum: vec![0.0; length], gradient: vec![0.0; length] }
    }

    /// Bytes of the buffers, but for those of the lanes, where so many parameters are trained.
    #[must_use]
    pub fn bytes(trained: usize) -> usize {
        12 * trained
    }

    /// Makes the sum over a number of public rows the result of the step.
    pub fn divide(&mut self, rows: f64) {
        let chunks = self.gradient.par_chunks_mut(1 << 15).zip(self.sum.par_chunks(1 << 15));
        chunks.for_each(|(mean, sum)| {
            vectorised!(mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean = (sum / rows) as f32));
        });
    }
}
