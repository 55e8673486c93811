//! The privacy loss of a tree of events, flattened into what the accountants know.

use super::rdp::AccountingError;
use super::units::{NoiseMultiplier, SamplingRate};

/// `count` releases of a Gaussian sum on fresh Poisson samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Release {
    /// q.
    pub rate: SamplingRate,
    /// Sigma.
    pub sigma: NoiseMultiplier,
    /// How many times, each with fresh sampling and noise.
    pub count: u32,
}

/// Poisson-sampled Gaussians, one Gaussian that stands for all releases on every unit, and a leak.
///
/// Whatever is not a Gaussian is replaced by a Gaussian that is no more private:
/// - A discrete Gaussian of deviation s on a table of integer sensitivity D has mean
///   `(D/s) (1 + 1/(12 s^2)) + 1e-9`. That D/s alone is too small is easily seen: at s = D = 1, e = 0
///   its profile is .39894 and the Gaussian's .38292. The factor was checked numerically for s >= 1
///   (worst need `1 + 1/(24 s^2)` to first order), so smaller s has no rule. A vector of counts is the composition of its
///   entries: a unit that moves them by v has the means `(|v_i|/s) (1 + ...)`, whose squares add up to at most the one for
///   D, the Euclidean length of v rounded up.
/// - A pure epsilon is dominated by randomised response, which is post-processing of a Gaussian of
///   mean `2 Phi^-1(exp(eps) / (1 + exp(eps)))` (Dong, Roth and Su 2022, proposition 2.10).
/// - A delta beside it is a leak: with probability delta everything is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    sampled: Vec<Release>,
    mu2: f64,
    leak: f64,
}

impl Loss {
    /// Releases on Poisson samples, each distinct one once with its count.
    #[must_use]
    pub fn sampled(&self) -> &[Release] {
        &self.sampled
    }

    /// The squared mean of the Gaussian that stands for all releases on every unit, rounded up.
    #[must_use]
    pub fn mu2(&self) -> f64 {
        self.mu2
    }

    /// The probability, rounded up, with which the parts above do not bound the loss.
    #[must_use]
    pub fn leak(&self) -> f64 {
        self.leak
    }

    /// Whether a Gaussian can only dominate it with some probability of failure: losses of sampled
    /// releases have heavier tails than any Gaussian of about their size.
    #[must_use]
    pub fn needs_leak(&self) -> bool {
        !self.sampled.is_empty()
    }

    /// The squared mean of the Gaussian that all of it would be on every unit, rounded up.
    #[must_use]
    pub fn without_sampling(&self) -> f64 {
        let of =
            |release: &Release| f64::from(release.count) / release.sigma.get().powi(2) * (1.0 + 8.0 * f64::EPSILON);
        self.sampled.iter().fold(self.mu2, |sum, release| (sum + of(release)) * (1.0 + f64::EPSILON))
    }

    /// The Gaussian alone and the sampled releases alone; the leak is with neither.
    #[must_use]
    pub fn apart(&self) -> (Self, Self) {
        let sampled = self.sampled.clone();
        (Self { mu2: self.mu2, ..Self::default() }, Self { sampled, ..Self::default() })
    }

    /// Part `index` of the sampled releases cut into `count` parts: each has its share of each kind; those
    /// that are left over go to the first parts, one each.
    #[must_use]
    pub fn part(&self, index: u32, count: u32) -> Self {
        let of = |release: &Release| Release {
            count: release.count / count + u32::from(index < release.count % count),
            ..*release
        };
        let sampled = self.sampled.iter().map(of).filter(|release| release.count > 0).collect();
        Self { sampled, ..Self::default() }
    }

    /// Adds `times` Gaussian releases of this mean.
    pub fn add_gaussian(&mut self, mean: f64, times: u32) {
        self.mu2 = (self.mu2 + mean * mean * f64::from(times)) * (1.0 + 8.0 * f64::EPSILON);
    }

    /// Adds `times` tables with discrete Gaussian noise of deviation `s`.
    ///
    /// # Errors
    /// [`AccountingError::UnknownEvent`] below `s = 1` and for a sensitivity of 0.
    pub fn add_discrete_gaussian(&mut self, s: f64, sensitivity: u32, times: u32) -> Result<(), AccountingError> {
        if s < 1.0 || sensitivity == 0 {
            return Err(AccountingError::UnknownEvent);
        }
        self.add_gaussian(discrete_mean(s, sensitivity), times);
        Ok(())
    }

    /// Adds `times` mechanisms of which no more than (epsilon, delta) is known.
    ///
    /// # Errors
    /// [`AccountingError::UnknownEvent`] where the pair says nothing.
    pub fn add_epsilon_delta(&mut self, epsilon: f64, delta: f64, times: u32) -> Result<(), AccountingError> {
        // Outside of these the event says nothing, or is no number.
        if !(0.0..=30.0).contains(&epsilon) || !(0.0..1.0).contains(&delta) {
            return Err(AccountingError::UnknownEvent);
        }
        if epsilon > 0.0 {
            self.add_gaussian(2.0 * upper_quantile(1.0 / (1.0 + epsilon.exp())), times);
        }
        self.leak = (self.leak + delta * f64::from(times)) * (1.0 + 8.0 * f64::EPSILON);
        Ok(())
    }

    /// Adds releases on Poisson samples.
    ///
    /// # Errors
    /// [`AccountingError::TooManySteps`] when they cannot be counted.
    pub fn add_release(&mut self, release: Release) -> Result<(), AccountingError> {
        if release.rate == SamplingRate::ALL {
            self.add_gaussian(1.0 / release.sigma.get(), release.count);
            return Ok(());
        }
        if release.count == 0 {
            return Ok(());
        }
        let known = self.sampled.iter_mut().find(|r| r.rate == release.rate && r.sigma == release.sigma);
        match known {
            Some(known) => {
                known.count = known.count.checked_add(release.count).ok_or(AccountingError::TooManySteps)?;
            }
            None => self.sampled.push(release),
        }
        Ok(())
    }
}

/// The mean of a Gaussian that dominates discrete Gaussian noise of parameter `s >= 1` on counts of this
/// sensitivity; see [`Loss`].
pub(super) fn discrete_mean(s: f64, sensitivity: u32) -> f64 {
    f64::from(sensitivity) / s * (1.0 + 1.0 / (12.0 * s * s)) + 1e-9
}

/// The z whose upper tail is `p < 1/2`, rounded up.
fn upper_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if super::gaussian::tail(middle) > p { low = middle } else { high = middle }
    }
    high * (1.0 + 1e-14) + 1e-15
}
