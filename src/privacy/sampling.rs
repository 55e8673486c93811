//! Poisson sampling: every unit takes part in a step with probability q, independently.

use rand::RngCore;
use rand_chacha::ChaCha20Rng;

use super::units::SamplingRate;

/// The indices, in order, of the units among `0..units` that take part in one step.
///
/// Each unit is compared against q as a 64-bit fraction rounded down, so that it is never taken
/// more often than accounted. A loop over all units, no skipping: the time depends on their number
/// alone.
#[must_use]
pub fn poisson(rng: &mut ChaCha20Rng, rate: SamplingRate, units: usize) -> Vec<u32> {
    let threshold = (rate.get() * 2f64.powi(64)) as u128;
    (0..units as u32).filter(|_| u128::from(rng.next_u64()) < threshold).collect()
}
