//! The rules of a budget, without a database: what is admitted, what is refused, in integers.
//!
//! A budget is a pair (epsilon, delta) granted to a population. A job is admitted when the sums
//! over everything charged or reserved, itself included, stay within the grant in both
//! coordinates. Plain sums are a valid filter under full adaptivity (Rogers, Roth, Ullman and
//! Vadhan 2016, "Privacy odometers and filters", section on basic composition): later jobs may be
//! chosen from the results of earlier ones. Epsilon is counted in units of 1e-12 and delta in units
//! of 1e-18; charges round up, grants round down, so no rounding ever favours the spender.

use serde::{Deserialize, Serialize};

use super::units::{Delta, Epsilon};

/// A pair (epsilon, delta) in integer units; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Epsilon in units of 1e-12.
    pub epsilon_pico: i64,
    /// Delta in units of 1e-18.
    pub delta_atto: i64,
}

const PICO: f64 = 1e12;
const ATTO: f64 = 1e18;

/// A decimal number that was meant to be a whole number of units comes back from its double
/// within a thousandth of a unit, relative to a part in 10^15, and never by more than a quarter.
fn units(number: f64, scale: f64, away: fn(f64) -> f64) -> i64 {
    let scaled = number * scale;
    let whole = scaled.round();
    let exact = (scaled - whole).abs() <= (1e-3 + scaled * 4.0 * f64::EPSILON).min(0.25);
    (if exact { whole } else { away(scaled) }) as i64
}

impl Amount {
    /// What a job costs, rounded up.
    #[must_use]
    pub fn charge(epsilon: Epsilon, delta: Delta) -> Self {
        Self { epsilon_pico: units(epsilon.get(), PICO, f64::ceil), delta_atto: units(delta.get(), ATTO, f64::ceil) }
    }

    /// What a budget grants, rounded down.
    #[must_use]
    pub fn grant(epsilon: Epsilon, delta: Delta) -> Self {
        Self { epsilon_pico: units(epsilon.get(), PICO, f64::floor), delta_atto: units(delta.get(), ATTO, f64::floor) }
    }

    /// Epsilon as a number.
    #[must_use]
    pub fn epsilon(self) -> f64 {
        self.epsilon_pico as f64 / PICO
    }

    /// Delta as a number.
    #[must_use]
    pub fn delta(self) -> f64 {
        self.delta_atto as f64 / ATTO
    }

    fn plus(self, other: Self) -> Self {
        Self {
            epsilon_pico: self.epsilon_pico.saturating_add(other.epsilon_pico),
            delta_atto: self.delta_atto.saturating_add(other.delta_atto),
        }
    }

    fn fits(self, cap: Self) -> bool {
        self.epsilon_pico <= cap.epsilon_pico && self.delta_atto <= cap.delta_atto
    }

    /// The share of `cap` that this is, in the coordinate of which it is the larger share.
    #[must_use]
    pub fn share_of(self, cap: Self) -> f64 {
        let part = |x: i64, of: i64| if of > 0 { x as f64 / of as f64 } else { f64::from(u8::from(x > 0)) };
        part(self.epsilon_pico, cap.epsilon_pico).max(part(self.delta_atto, cap.delta_atto))
    }
}

/// The state of one population's budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What the custodian granted.
    pub granted: Amount,
    /// What was charged. Never falls.
    pub spent: Amount,
    /// What admitted jobs hold that have not touched a private row.
    pub reserved: Amount,
}

/// Shares of a grant; they add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Charged.
    pub spent: f64,
    /// Held by admitted jobs.
    pub reserved: f64,
    /// Free.
    pub remaining: f64,
}

/// A job that does not fit, with what the applicant needs to know. All of it is public: a function
/// of the parameters of earlier jobs alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// The share of the grant that was asked for.
    pub requested: f64,
    /// How the grant stands.
    pub shares: Shares,
    /// The largest epsilon of a single job that would fit.
    pub largest_next_epsilon: f64,
}

impl Account {
    /// Whether a charge fits beside everything spent and reserved.
    ///
    /// # Errors
    /// [`Refusal`] with the figures.
    pub fn admit(&self, charge: Amount) -> Result<(), Refusal> {
        if charge.plus(self.spent).plus(self.reserved).fits(self.granted) {
            return Ok(());
        }
        Err(Refusal {
            requested: charge.share_of(self.granted),
            shares: self.shares(),
            largest_next_epsilon: self.largest_next_epsilon(),
        })
    }

    /// Spent, reserved and remaining as shares, in the coordinate of which more is gone.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let (grant, used) = (self.granted, self.spent.plus(self.reserved));
        let by_epsilon = i128::from(used.epsilon_pico) * i128::from(grant.delta_atto)
            >= i128::from(used.delta_atto) * i128::from(grant.epsilon_pico);
        let pick = |a: Amount| if by_epsilon { a.epsilon_pico } else { a.delta_atto } as f64;
        let whole = pick(grant).max(1.0);
        Shares {
            spent: pick(self.spent) / whole,
            reserved: pick(self.reserved) / whole,
            remaining: ((pick(grant) - pick(used)) / whole).max(0.0),
        }
    }

    /// The delta of a job that names none: the grant's, in proportion to epsilon, rounded down.
    #[must_use]
    pub fn default_delta(&self, epsilon: Epsilon) -> f64 {
        let wanted = i128::from(Amount::charge(epsilon, Delta::SMALLEST).epsilon_pico);
        let whole = i128::from(self.granted.epsilon_pico.max(1));
        let atto = i128::from(self.granted.delta_atto) * wanted / whole;
        atto as f64 / ATTO
    }

    /// The largest epsilon of one more job at its default delta, rounded down; 0 when none is left.
    #[must_use]
    pub fn largest_next_epsilon(&self) -> f64 {
        let used = self.spent.plus(self.reserved);
        let epsilon = i128::from(self.granted.epsilon_pico - used.epsilon_pico).max(0);
        let delta = i128::from(self.granted.delta_atto - used.delta_atto).max(0);
        // The delta left allows as much epsilon as its share of the grant.
        let by_delta = delta * i128::from(self.granted.epsilon_pico) / i128::from(self.granted.delta_atto.max(1));
        epsilon.min(by_delta) as f64 / PICO
    }
}
