//! From a wanted epsilon to the least noise that reaches it.

use super::event::DpEvent;
use super::rdp::{AccountingError, Release, epsilon};
use super::units::{Delta, Epsilon, NoiseMultiplier, SamplingRate};

/// The decimals of a noise multiplier: calibrated values are rounded up to them and certified so.
const SCALE: f64 = 1e4;

/// Epsilon of an event tree at `delta`, rounded up.
///
/// # Errors
/// [`AccountingError`] for trees without a rule and for too many steps.
pub fn epsilon_of(event: &DpEvent, delta: Delta) -> Result<f64, AccountingError> {
    let loss = event.loss()?;
    let mut releases = loss.sampled().to_vec();
    if loss.mu2() > 0.0 {
        let sigma = NoiseMultiplier::new(1.0 / loss.mu2().sqrt()).map_err(|_| AccountingError::Unreachable)?;
        releases.push(Release { rate: SamplingRate::ALL, sigma, count: 1 });
    }
    epsilon(&releases, delta)
}

/// The least noise multiplier, rounded up to four decimals, with which `steps` Poisson-sampled
/// Gaussian releases of this rate stay within (epsilon, delta).
///
/// # Errors
/// [`AccountingError::Unreachable`] when even a multiplier of 1000 is not enough.
pub fn noise_multiplier(
    rate: SamplingRate,
    steps: u32,
    target: Epsilon,
    delta: Delta,
) -> Result<NoiseMultiplier, AccountingError> {
    let fits = |ticks: u64| -> Result<Option<NoiseMultiplier>, AccountingError> {
        let sigma = NoiseMultiplier::new(ticks as f64 / SCALE).map_err(|_| AccountingError::Unreachable)?;
        let spent = epsilon(&[Release { rate, sigma, count: steps }], delta)?;
        Ok((spent <= target.get()).then_some(sigma))
    };
    let (mut low, mut high) = ((0.2 * SCALE) as u64, (1e3 * SCALE) as u64);
    if let Some(sigma) = fits(low)? {
        return Ok(sigma);
    }
    let mut best = fits(high)?.ok_or(AccountingError::Unreachable)?;
    // `low` never fits, `high` does, and `best` is the multiplier that was certified last.
    while high - low > 1 {
        // Halving the logarithm needs fewer rounds where sigma is small.
        let middle = (((low as f64) * (high as f64)).sqrt() as u64).clamp(low + 1, high - 1);
        match fits(middle)? {
            Some(sigma) => (high, best) = (middle, sigma),
            None => low = middle,
        }
    }
    Ok(best)
}
