//! One epsilon for a composition that was fixed in advance: the smaller of two upper bounds.
//!
//! The distribution of the privacy loss ([`super::pld`]) is tight to a few parts in ten thousand. The Renyi
//! bound ([`super::rdp`]) is another proof, a few per cent above; it answers where the former's grid
//! would be too large, and whenever it is smaller. Gaussians on every unit alone need neither
//! ([`super::gaussian`]).

use super::event::DpEvent;
use super::gaussian;
use super::loss::Loss;
use super::pld::{self, Direction, parts_of};
use super::rdp::{self, AccountingError};
use super::units::Delta;

/// The relative error of a reported epsilon.
const PRECISION: f64 = 2e-4;

/// Epsilon of an event tree at `delta`, rounded up.
///
/// # Errors
/// [`AccountingError`] for trees without a rule, too many steps, and a delta that leaks alone exceed.
pub fn epsilon_of(event: &DpEvent, delta: Delta) -> Result<f64, AccountingError> {
    epsilon(&event.loss()?, delta)
}

/// Epsilon of a loss at `delta`, rounded up: the larger of the two directions.
///
/// # Errors
/// As [`epsilon_of`].
pub fn epsilon(loss: &Loss, delta: Delta) -> Result<f64, AccountingError> {
    // What is told with a small probability is paid from delta first.
    let delta = delta.get() - loss.leak() * (1.0 + 4.0 * f64::EPSILON);
    if delta <= 0.0 {
        return Err(AccountingError::Leaks);
    }
    rdp::check_steps(loss)?;
    if !loss.needs_leak() {
        let mean = loss.mu2().sqrt() * (1.0 + 2.0 * f64::EPSILON);
        return Ok(if mean > 0.0 { gaussian::epsilon(mean, delta) } else { 0.0 });
    }
    let parts = parts_of(loss);
    let remove = match pld::epsilon(&parts, Direction::Remove, delta, PRECISION) {
        // No grid that fits into memory: the other proof stands.
        Err(AccountingError::TooFine) => return rdp::epsilon(loss, delta),
        found => found?,
    };
    // The add direction is below its own Renyi bound: often that is enough to know that it is not the larger.
    let order = remove.theta + 1.0;
    let skipped = rdp::at_order(loss, Direction::Add, delta, order) <= remove.epsilon;
    let add = if skipped { Ok(remove) } else { pld::epsilon(&parts, Direction::Add, delta, PRECISION) };
    let add = match add {
        Err(AccountingError::TooFine) => return rdp::epsilon(loss, delta),
        found => found?,
    };
    let tight = remove.epsilon.max(add.epsilon);
    // On a fine grid the Renyi bound is never the smaller; its divergence is never larger in the add
    // direction (Mironov, Talwar and Zhang 2019, theorem 5), so one direction bounds both.
    if remove.fine && add.fine { Ok(tight) } else { Ok(tight.min(rdp::epsilon(loss, delta)?)) }
}

/// Epsilon by Renyi divergences alone, rounded up; for comparison.
///
/// # Errors
/// As [`epsilon_of`].
pub fn epsilon_rdp(loss: &Loss, delta: Delta) -> Result<f64, AccountingError> {
    let delta = delta.get() - loss.leak() * (1.0 + 4.0 * f64::EPSILON);
    if delta <= 0.0 { Err(AccountingError::Leaks) } else { rdp::epsilon(loss, delta) }
}
