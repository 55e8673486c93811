//! The only randomness that private results rest on: ChaCha20 keyed by the operating system.
//!
//! A key lives in memory, for one private block at most, and nowhere else. Each (purpose, step) has
//! its own stream of the cipher, so no two draws ever share bytes. Gaussian values come from the
//! ziggurat of `rand_distr` in double precision; the attacks on floating-point noise (Mironov 2012)
//! need exact access to single released sums, which training never publishes, and are a documented
//! residual risk.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, StandardNormal};

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
}

/// A key from which streams are derived. Never stored, printed or compared.
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

/// Adds an independent Gaussian of standard deviation `std` to every element of `sum`.
pub fn add_gaussian(rng: &mut ChaCha20Rng, std: f64, sum: &mut [f64]) {
    for x in sum {
        let z: f64 = StandardNormal.sample(rng);
        *x += std * z;
    }
}
