//! What moves on a ledger, in integers: whatever can refuse is one.

use serde::{Deserialize, Serialize};

/// A pair (mu squared, leak) in integer units; never negative.
///
/// Mu squared is the currency: the squared mean of a Gaussian that is no more private. The leak is the
/// probability with which that comparison may fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Mu squared in units of 1e-12.
    pub mu2_pico: i64,
    /// The leak in units of 1e-18.
    pub leak_atto: i64,
}

const PICO: f64 = 1e12;
const ATTO: f64 = 1e18;

impl Amount {
    /// A charge, rounded up. Numbers that are no charge (NaN, negative, beyond all budgets) cost more
    /// than any budget has.
    #[must_use]
    pub fn charge(mu2: f64, leak: f64) -> Self {
        Self { mu2_pico: up(mu2, PICO), leak_atto: up(leak, ATTO) }
    }

    /// A cap, rounded down. Numbers that are no cap grant nothing.
    #[must_use]
    pub fn cap(mu2: f64, leak: f64) -> Self {
        Self { mu2_pico: down(mu2, PICO), leak_atto: down(leak, ATTO) }
    }

    /// Mu squared as a number.
    #[must_use]
    pub fn mu2(self) -> f64 {
        self.mu2_pico as f64 / PICO
    }

    /// The leak as a number.
    #[must_use]
    pub fn leak(self) -> f64 {
        self.leak_atto as f64 / ATTO
    }

    /// The sum; too much to fit any budget where it overflows.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            mu2_pico: self.mu2_pico.saturating_add(other.mu2_pico),
            leak_atto: self.leak_atto.saturating_add(other.leak_atto),
        }
    }

    /// The difference, which must not be negative; `None` where it would be.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        let rest = Self {
            mu2_pico: self.mu2_pico.checked_sub(other.mu2_pico)?,
            leak_atto: self.leak_atto.checked_sub(other.leak_atto)?,
        };
        rest.is_valid().then_some(rest)
    }

    /// The larger of the two in each coordinate.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self { mu2_pico: self.mu2_pico.max(other.mu2_pico), leak_atto: self.leak_atto.max(other.leak_atto) }
    }

    /// This amount `count` times.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        let count = i64::from(count);
        Self { mu2_pico: self.mu2_pico.saturating_mul(count), leak_atto: self.leak_atto.saturating_mul(count) }
    }

    /// Whether it is within `cap` in both coordinates.
    #[must_use]
    pub fn fits(self, cap: Self) -> bool {
        self.mu2_pico <= cap.mu2_pico && self.leak_atto <= cap.leak_atto
    }

    /// Whether neither coordinate is negative.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.mu2_pico >= 0 && self.leak_atto >= 0
    }

    /// The share of `cap` that this is, in the coordinate of which it is the larger share.
    #[must_use]
    pub fn share_of(self, cap: Self) -> f64 {
        let part = |x: i64, of: i64| if of > 0 { x as f64 / of as f64 } else { f64::from(u8::from(x > 0)) };
        part(self.mu2_pico, cap.mu2_pico).max(part(self.leak_atto, cap.leak_atto))
    }
}

/// Doubles above 2^53 stand for more than one integer: one unit more is still up.
fn up(number: f64, scale: f64) -> i64 {
    let units = (number * scale * (1.0 + 2.0 * f64::EPSILON)).ceil();
    if number >= 0.0 && units < 4e18 { units as i64 } else { i64::MAX }
}

fn down(number: f64, scale: f64) -> i64 {
    let units = (number * scale * (1.0 - 2.0 * f64::EPSILON)).floor();
    if number > 0.0 && units < 4e18 { units as i64 } else { 0 }
}
