//! The quantities of differential privacy as types, each valid by construction.

use serde::{Deserialize, Serialize};

/// A number outside the domain of its unit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{unit} must be {domain}")]
pub struct UnitError {
    /// The unit, as it is named in the API.
    pub unit: &'static str,
    /// The numbers it accepts, in words.
    pub domain: &'static str,
}

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $unit:literal, $domain:literal, |$x:ident| $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Checks a number.
            ///
            /// # Errors
            /// [`UnitError`] when it is outside the domain; NaN always is.
            pub fn new($x: f64) -> Result<Self, UnitError> {
                if $valid { Ok(Self($x)) } else { Err(UnitError { unit: $unit, domain: $domain }) }
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = UnitError;
            fn try_from(x: f64) -> Result<Self, UnitError> {
                Self::new(x)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for f64 {
            fn from(unit: $name) -> f64 {
                unit.0
            }
        }
    };
}

unit! {
    /// Epsilon: the bound on the privacy loss, in nats.
    Epsilon, "epsilon", "a number from 0.001 to 1000", |x| (Self::LEAST..=1e3).contains(&x)
}
unit! {
    /// Delta: the probability with which the bound may fail.
    Delta, "delta", "a number from 1e-15 to 0.1", |x| (1e-15..=0.1).contains(&x)
}
impl Epsilon {
    /// The smallest epsilon of the domain.
    pub const LEAST: f64 = 1e-3;
}

impl Delta {
    /// The smallest delta of the domain.
    pub const SMALLEST: Self = Self(1e-15);
}

impl SamplingRate {
    /// Every unit, every time.
    pub const ALL: Self = Self(1.0);
}

unit! {
    /// Sigma: the standard deviation of the noise over the clipping norm.
    NoiseMultiplier, "noise multiplier", "a number from 0.2 to 1000", |x| (0.2..=1e3).contains(&x)
}
unit! {
    /// C: the largest Euclidean norm that one unit's contribution may have.
    ClippingNorm, "clipping norm", "a number from 1e-6 to 1e6", |x| (1e-6..=1e6).contains(&x)
}
unit! {
    /// q: the probability with which each unit takes part in a step, independently of the others.
    SamplingRate, "sampling rate", "above 0 and at most 1", |x| x > 0.0 && x <= 1.0
}
