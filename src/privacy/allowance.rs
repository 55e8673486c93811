//! Counts released one after the other until what was charged for them is used up.

use rand::RngCore;

use super::discrete::{Deviation, discrete_gaussian};
use super::units::NoiseMultiplier;

/// The squared mean of a Gaussian event that was charged, being spent on tables of counts.
///
/// Which table comes next, and how exact, may depend on those that were released: what has been used up is
/// a function of the releases, and never more than the event (argument: `ledger/soundness.md`, step 2, with a
/// path of length mu^2). Each release is paid before its noise is drawn.
#[derive(Debug)]
pub struct Allowance {
    left: f64,
}

/// A release that the allowance does not cover; nothing was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the measurement would cost more than was charged for it")]
pub struct Overdrawn;

impl Allowance {
    /// What an event of a Gaussian with this noise multiplier covers.
    #[must_use]
    pub fn of(noise: NoiseMultiplier) -> Self {
        Self { left: noise.get().powi(-2) * (1.0 - 4.0 * f64::EPSILON) }
    }

    /// What is left: a squared mean.
    #[must_use]
    pub fn left(&self) -> f64 {
        self.left
    }

    /// The largest sensitivity for which noise of a squared mean of all that is left can be drawn.
    #[must_use]
    pub fn most(&self) -> u32 {
        (self.left.sqrt() * Deviation::LARGEST * (1.0 - 1e-5)) as u32
    }

    /// Adds noise to whole counts that one unit can move by at most `sensitivity` in the Euclidean norm,
    /// for a squared mean of at most `mu2`. Returns the deviation of the noise.
    ///
    /// # Errors
    /// [`Overdrawn`] when less than `mu2` is left, or so little of it that no deviation is large enough.
    pub fn release(
        &mut self,
        rng: &mut impl RngCore,
        counts: &mut [i64],
        sensitivity: u32,
        mu2: f64,
    ) -> Result<f64, Overdrawn> {
        let deviation = least_deviation(sensitivity, mu2).ok_or(Overdrawn)?;
        // NaN is refused as well.
        if sensitivity == 0 || !(mu2 > 0.0 && mu2 <= self.left) {
            return Err(Overdrawn);
        }
        self.left -= mean(deviation, sensitivity).powi(2) * (1.0 + 8.0 * f64::EPSILON);
        for count in counts {
            *count += discrete_gaussian(rng, deviation);
        }
        Ok(deviation.get())
    }
}

/// The mean of the Gaussian that stands for a table with discrete noise, as in [`super::loss::Loss`].
fn mean(deviation: Deviation, sensitivity: u32) -> f64 {
    super::loss::discrete_mean(deviation.get(), sensitivity)
}

/// The least deviation whose mean squared is at most `mu2`.
fn least_deviation(sensitivity: u32, mu2: f64) -> Option<Deviation> {
    let wanted = mu2.sqrt() * (1.0 - 1e-12);
    let mut deviation = Deviation::at_least(f64::from(sensitivity) / wanted)?;
    while mean(deviation, sensitivity) > wanted {
        deviation = Deviation::at_least((deviation.get() + 1.0 / Deviation::UNIT) * (1.0 + 1e-13))?;
    }
    Some(deviation)
}
