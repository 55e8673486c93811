//! The only randomness that private results rest on: ChaCha20 keyed by the operating system.
//!
//! A key lives in memory, for one private block at most, and nowhere else; that of a measurement is kept until the
//! measurement is ([`NoiseSource::kept`]). Each (purpose, step) has
//! its own stream of the cipher, so no two draws ever share bytes.
//!
//! Gaussian values are made in double precision by the method of Box and Muller, which has no tail that
//! is cut short and no table. Number `i` of a draw is made of words of the keystream that are a function
//! of `i` alone (those of [`BATCH`] numbers, of sixteen blocks that no other batch has), so threads
//! may share a draw: no bytes are used twice, and the values do not depend on who made them.
//!
//! The attacks on floating-point noise (Mironov 2012; on Box and Muller's pairs: Jin et al. 2022) need exact
//! access to single released sums, which training never publishes, and are a documented residual risk.

use pulp::{Arch, Simd, WithSimd};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

use super::keystream::{BLOCKS, Keystream};
use super::normal::pair;

/// What a stream of randomness is for. Streams of different purposes never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Which private rows take part in a step.
    Sampling = 1,
    /// The Gaussian noise of a step.
    Noise = 2,
    /// The first weights of a model.
    Weights = 3,
    /// Pseudo rows and their order in stage 1.
    Pseudo = 4,
    /// Sampling synthetic rows from the trained model.
    Generation = 5,
    /// Which uploaded rows are held out of training.
    Holdout = 6,
    /// The key of an upload's pseudonyms.
    Persons = 7,
    /// The noise of counts.
    Measurement = 8,
}

/// A key from which streams are derived. Never printed or compared, and stored in one case ([`NoiseSource::kept`]).
pub struct NoiseSource {
    key: [u8; 32],
}

impl NoiseSource {
    /// A fresh key from the operating system.
    #[must_use]
    pub fn from_os() -> Self {
        let mut seeded = ChaCha20Rng::from_os_rng();
        let mut key = [0; 32];
        rand::RngCore::fill_bytes(&mut seeded, &mut key);
        Self { key }
    }

    /// A key that is stored. That of a measurement, or of figures, is kept from before its charge until the noisy counts are,
    /// so that it is carried out again after a crash on the same rows, for the same release; and that by which synthetic rows
    /// were drawn, which is no noise, as long as figures about these rows may have to be bought again.
    #[must_use]
    pub fn kept(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The stream of a purpose at a step (or at a chunk, where work is cut in chunks), which must be
    /// below 2^56.
    #[must_use]
    pub fn stream(&self, purpose: Purpose, step: u64) -> ChaCha20Rng {
        debug_assert!(step < 1 << 56);
        let mut stream = ChaCha20Rng::from_seed(self.key);
        stream.set_stream((purpose as u64) << 56 | step);
        stream
    }
}

/// Gaussian numbers that come from one batch of blocks: 64 bits of keystream each.
const BATCH: usize = 8 * BLOCKS;

/// Batches that a thread makes in one go.
const TASK: usize = 64;

/// Adds an independent Gaussian of standard deviation `std` to every element of `sum`, and moves `rng`
/// behind the words that were used.
pub fn add_gaussian(rng: &mut ChaCha20Rng, std: f64, sum: &mut [f64]) {
    let keystream = Keystream::of(rng);
    sum.par_chunks_mut(TASK * BATCH).enumerate().for_each(|(task, sum)| {
        let each = |x: &mut [f64], noise: &[f64; BATCH]| x.iter_mut().zip(noise).for_each(|(x, noise)| *x += noise);
        let chunks = sum.chunks_mut(BATCH);
        Arch::new().dispatch(Batches { keystream, first: task * TASK, std, chunks, each });
    });
    keystream.use_up(rng, sum.len().div_ceil(BATCH));
}

/// What [`add_gaussian`] would make of `sum`, over `divisor`, in single precision: one pass over memory
/// in place of two.
pub fn noisy_mean(rng: &mut ChaCha20Rng, std: f64, sum: &[f64], divisor: f64, mean: &mut [f32]) {
    let keystream = Keystream::of(rng);
    let tasks = sum.par_chunks(TASK * BATCH).zip(mean.par_chunks_mut(TASK * BATCH));
    tasks.enumerate().for_each(|(task, (sum, mean))| {
        let each = |(sum, mean): (&[f64], &mut [f32]), noise: &[f64; BATCH]| {
            let numbers = mean.iter_mut().zip(sum).zip(noise);
            numbers.for_each(|((mean, sum), noise)| *mean = ((sum + noise) / divisor) as f32);
        };
        let chunks = sum.chunks(BATCH).zip(mean.chunks_mut(BATCH));
        Arch::new().dispatch(Batches { keystream, first: task * TASK, std, chunks, each });
    });
    keystream.use_up(rng, sum.len().div_ceil(BATCH));
}

/// Consecutive batches of Gaussians of standard deviation `std`, each handed on with the chunk it belongs to.
struct Batches<C, F> {
    keystream: Keystream,
    first: usize,
    std: f64,
    chunks: C,
    each: F,
}

impl<C: Iterator, F: Fn(C::Item, &[f64; BATCH])> WithSimd for Batches<C, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (batch, chunk) in (self.first as u64..).zip(self.chunks) {
            let mut noise = gaussians(simd, &self.keystream, batch);
            for z in &mut noise {
                *z *= self.std;
            }
            (self.each)(chunk, &noise);
        }
    }
}

/// The Gaussians of one batch. A block's sixteen words make four pairs; the sixteen blocks of a batch lie
/// beside each other in vectors, so that pair `j` of block `l` fills places `32 j + l` and `32 j + 16 + l`.
#[inline(always)]
fn gaussians<S: Simd>(simd: S, keystream: &Keystream, batch: u64) -> [f64; BATCH] {
    let words = keystream.batch(simd, batch);
    let mut z = [0.0; BATCH];
    for (words, z) in words.as_chunks::<4>().0.iter().zip(z.as_chunks_mut::<{ 2 * BLOCKS }>().0) {
        let [radius_low, radius_high, angle_low, angle_high] = words;
        let (x, y) = z.split_at_mut(BLOCKS);
        for l in 0..BLOCKS {
            let radius = u64::from(radius_low[l]) | u64::from(radius_high[l]) << 32;
            let angle = u64::from(angle_low[l]) | u64::from(angle_high[l]) << 32;
            (x[l], y[l]) = pair(radius, angle);
        }
    }
    z
}
