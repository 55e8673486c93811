//! What was done to private rows, as a tree that any accountant can read.
//!
//! The names are those of Google's `dp_accounting.DpEvent`. Events are stored, not epsilons: a
//! better accountant may read the same history later. Meanings never change; an event that a
//! reader does not know counts as infinite loss.

use serde::{Deserialize, Serialize};

use super::rdp::{AccountingError, Release};
use super::units::{NoiseMultiplier, SamplingRate};

/// One mechanism, or several composed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DpEvent {
    /// A sum of sensitivity 1 released with Gaussian noise of this standard deviation.
    Gaussian {
        /// Sigma.
        noise_multiplier: NoiseMultiplier,
    },
    /// An event on a sample that takes each unit with this probability, independently.
    PoissonSampled {
        /// q.
        sampling_probability: SamplingRate,
        /// The event on the sample.
        event: Box<DpEvent>,
    },
    /// The same event several times, with fresh randomness.
    SelfComposed {
        /// How many times.
        count: u32,
        /// The event.
        event: Box<DpEvent>,
    },
    /// Events one after the other.
    Composed {
        /// The events.
        events: Vec<DpEvent>,
    },
}

impl DpEvent {
    /// Gaussian noise on a sum of sensitivity 1.
    #[must_use]
    pub fn gaussian(noise_multiplier: NoiseMultiplier) -> Self {
        Self::Gaussian { noise_multiplier }
    }

    /// This event on a Poisson sample.
    #[must_use]
    pub fn poisson_sampled(self, sampling_probability: SamplingRate) -> Self {
        Self::PoissonSampled { sampling_probability, event: Box::new(self) }
    }

    /// This event `count` times.
    #[must_use]
    pub fn self_composed(self, count: u32) -> Self {
        Self::SelfComposed { count, event: Box::new(self) }
    }

    /// The tree as a flat list of releases, whose order does not matter.
    ///
    /// # Errors
    /// [`AccountingError::UnknownEvent`] for a tree that the accountant has no rule for: sampling
    /// of anything but one Gaussian.
    pub fn releases(&self) -> Result<Vec<Release>, AccountingError> {
        match self {
            Self::Gaussian { noise_multiplier } => Ok(vec![Release::gaussian(*noise_multiplier)]),
            Self::PoissonSampled { sampling_probability, event } => match **event {
                Self::Gaussian { noise_multiplier } => {
                    Ok(vec![Release { rate: *sampling_probability, sigma: noise_multiplier, count: 1 }])
                }
                _ => Err(AccountingError::UnknownEvent),
            },
            Self::SelfComposed { count, event } => {
                let mut releases = event.releases()?;
                for release in &mut releases {
                    release.count = release.count.checked_mul(*count).ok_or(AccountingError::TooManySteps)?;
                }
                Ok(releases)
            }
            Self::Composed { events } => {
                let lists: Result<Vec<_>, _> = events.iter().map(Self::releases).collect();
                Ok(lists?.concat())
            }
        }
    }
}
