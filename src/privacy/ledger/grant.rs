//! What a custodian grants, and what it buys.

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use crate::privacy::gaussian;
use crate::privacy::units::{Delta, Epsilon};

/// A pair (epsilon, delta): what is guaranteed about everything that is ever released about a
/// population. Raising it later changes epsilon alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Epsilon.
    pub epsilon: Epsilon,
    /// Delta.
    pub delta: Delta,
}

/// One part in so many of delta pays for leaks; the rest for the Gaussian. A quarter costs about
/// 2 % of mu squared.
const LEAK_PARTS: i64 = 4;

impl Grant {
    /// The cap: the largest mu squared whose Gaussian stays within (epsilon, delta less the leaks).
    #[must_use]
    pub fn cap(&self) -> Amount {
        let leak_atto = Amount::cap(0.0, self.delta.get()).leak_atto / LEAK_PARTS;
        let leak = Amount { mu2_pico: 0, leak_atto };
        let mean = gaussian::largest_mean(self.epsilon.get(), self.gaussian_delta(leak));
        // Squaring rounds by less than the cap is rounded down.
        Amount { leak_atto, ..Amount::cap(mean * mean, 0.0) }
    }

    /// The part of delta that is not set aside for leaks, rounded down.
    #[must_use]
    pub fn gaussian_delta(&self, leaks: Amount) -> f64 {
        (self.delta.get() - leaks.leak()) * (1.0 - 2.0 * f64::EPSILON)
    }
}
