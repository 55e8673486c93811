//! The state of one budget, and what is admitted to it.

use super::amount::Amount;
use super::entry::EntryKind;
use super::grant::Grant;

/// How one population's budget stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Account {
    /// What was granted.
    pub grant: Grant,
    /// What the grant buys. After an exact first plan and a raise it may be less than
    /// [`Grant::cap`].
    pub cap: Amount,
    /// What was charged. Never falls.
    pub spent: Amount,
    /// What admitted jobs hold that they have not been charged.
    pub reserved: Amount,
}

/// Shares of a cap; they add up to 1.
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
    /// The share of the cap that was asked for.
    pub requested: f64,
    /// How the budget stands.
    pub shares: Shares,
}

/// Jobs that a tier of leaks has room for.
const TIER: i64 = 64;

impl Account {
    /// A budget of which nothing is spent.
    #[must_use]
    pub fn new(grant: Grant) -> Self {
        Self { grant, cap: grant.cap(), spent: Amount::default(), reserved: Amount::default() }
    }

    /// The account after one more line; `None` when more would be charged or released than is held.
    /// Whether a reservation fits is for [`Account::admit`] to say.
    #[must_use]
    pub fn after(self, kind: EntryKind, amount: Amount) -> Option<Self> {
        Some(match kind {
            EntryKind::Grant => Self { cap: amount, ..self },
            EntryKind::Reservation => Self { reserved: self.reserved.plus(amount), ..self },
            EntryKind::Charge => {
                Self { reserved: self.reserved.minus(amount)?, spent: self.spent.plus(amount), ..self }
            }
            EntryKind::Release => Self { reserved: self.reserved.minus(amount)?, ..self },
        })
    }

    /// Charged and held.
    #[must_use]
    pub fn used(&self) -> Amount {
        self.spent.plus(self.reserved)
    }

    /// What is free.
    #[must_use]
    pub fn remaining(&self) -> Amount {
        self.cap.minus(self.used()).unwrap_or_default()
    }

    /// Whether nothing was ever charged and nothing is held: only then may a plan be charged by its
    /// exact loss instead of a certificate.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.used() == Amount::default()
    }

    /// The leak that the next certificate may use, in units of 1e-18: a 64th of what a halving tier
    /// has room for, so that leaks never run out before they are below the unit. The first 64 jobs
    /// get 1/128 of all leaks each, the next 64 half of that, and so on.
    #[must_use]
    pub fn next_leak_atto(&self) -> i64 {
        let (whole, left) = (self.cap.leak_atto, self.remaining().leak_atto);
        let mut tier = whole / 2;
        while tier > 0 && left <= tier {
            tier /= 2;
        }
        tier / TIER
    }

    /// Whether a charge fits beside everything spent and reserved.
    ///
    /// # Errors
    /// [`Refusal`] with the figures.
    pub fn admit(&self, charge: Amount) -> Result<(), Refusal> {
        if charge.is_valid() && charge.plus(self.used()).fits(self.cap) {
            return Ok(());
        }
        Err(Refusal { requested: charge.share_of(self.cap), shares: self.shares() })
    }

    /// Spent, reserved and remaining as shares, in the coordinate of which more is gone.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let (cap, used) = (self.cap, self.used());
        let by_mu = i128::from(used.mu2_pico) * i128::from(cap.leak_atto)
            >= i128::from(used.leak_atto) * i128::from(cap.mu2_pico);
        let pick = |a: Amount| if by_mu { a.mu2_pico } else { a.leak_atto } as f64;
        let whole = pick(cap).max(1.0);
        Shares {
            spent: pick(self.spent) / whole,
            reserved: pick(self.reserved) / whole,
            remaining: ((pick(cap) - pick(used)) / whole).max(0.0),
        }
    }
}
