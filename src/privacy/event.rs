//! What was done to private rows, as a tree that any accountant can read.
//!
//! The names are those of Google's `dp_accounting.DpEvent`. Events are stored, not epsilons: a
//! better accountant may read the same history later. Meanings never change; an event that a
//! reader does not know counts as infinite loss.

use serde::{Deserialize, Serialize};

use super::loss::{Loss, Release};
use super::rdp::AccountingError;
use super::units::{NoiseMultiplier, SamplingRate};

/// One mechanism, or several composed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum DpEvent {
    /// A sum of sensitivity 1 released with Gaussian noise of this standard deviation.
    Gaussian {
        /// Sigma.
        noise_multiplier: NoiseMultiplier,
    },
    /// A table of counts released with discrete Gaussian noise (Canonne, Kamath and Steinke 2020).
    DiscreteGaussian {
        /// Sigma, in counts.
        noise_multiplier: NoiseMultiplier,
        /// The most that one unit can change the counts, in the Euclidean norm: a whole number.
        sensitivity: u32,
    },
    /// Anything that is (epsilon, delta)-differentially private and of which no more is known.
    EpsilonDelta {
        /// Epsilon; 0 for an event that is all leak.
        epsilon: f64,
        /// Delta; 0 for pure differential privacy.
        delta: f64,
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

    /// Nothing at all.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Composed { events: Vec::new() }
    }

    /// The privacy loss of the tree, flattened; the order of its parts does not matter.
    ///
    /// # Errors
    /// [`AccountingError::UnknownEvent`] for a tree that the accountant has no rule for.
    pub fn loss(&self) -> Result<Loss, AccountingError> {
        let mut loss = Loss::default();
        self.add_to(&mut loss, 1)?;
        Ok(loss)
    }

    fn add_to(&self, loss: &mut Loss, times: u32) -> Result<(), AccountingError> {
        match self {
            Self::Gaussian { noise_multiplier } => {
                loss.add_gaussian(1.0 / noise_multiplier.get(), times);
                Ok(())
            }
            Self::DiscreteGaussian { noise_multiplier, sensitivity } => {
                loss.add_discrete_gaussian(noise_multiplier.get(), *sensitivity, times)
            }
            Self::EpsilonDelta { epsilon, delta } => loss.add_epsilon_delta(*epsilon, *delta, times),
            Self::PoissonSampled { sampling_probability, event } => match **event {
                Self::Gaussian { noise_multiplier } => {
                    loss.add_release(Release { rate: *sampling_probability, sigma: noise_multiplier, count: times })
                }
                _ => Err(AccountingError::UnknownEvent),
            },
            Self::SelfComposed { count, event } => {
                let times = times.checked_mul(*count).ok_or(AccountingError::TooManySteps)?;
                if times == 0 { Ok(()) } else { event.add_to(loss, times) }
            }
            Self::Composed { events } => events.iter().try_for_each(|event| event.add_to(loss, times)),
        }
    }
}
