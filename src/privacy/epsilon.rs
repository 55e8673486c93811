//! One epsilon for a composition that was fixed in advance: the smaller of two upper bounds.
//!
//! The distribution of the privacy loss ([`super::pld`]) is tight to a few parts in ten thousand. The Renyi
//! bound ([`super::rdp`]) is another proof, a few per cent above; it answers where the former's grid
//! would be too large, and whenever it is smaller. Gaussians on every unit alone need neither
//! ([`super::gaussian`]).

use super::event::DpEvent;
use super::gaussian;
use super::loss::{Loss, Release};
use super::pld::{self, Direction, parts_of};
use super::rdp::{self, AccountingError};
use super::units::{Delta, Epsilon};

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
    let in_direction = |direction, least_step| pld::epsilon(&parts, direction, delta, (PRECISION, least_step));
    let both = in_direction(Direction::Remove, 0.0).and_then(|remove| {
        // Often its largest loss, or its own Renyi bound, is enough to know that the add direction is not the
        // larger one; else its bound on the same grid is; else a grid as fine as it needs.
        let order = remove.theta + 1.0;
        if largest_of_add(loss).min(rdp::at_order(loss, Direction::Add, delta, order)) <= remove.epsilon {
            return Ok((remove, remove));
        }
        let add = in_direction(Direction::Add, remove.step)?;
        let add = if add.epsilon > remove.epsilon { in_direction(Direction::Add, 0.0)? } else { add };
        Ok((remove, if add.epsilon > remove.epsilon { add } else { remove }))
    });
    let (remove, larger) = match both {
        // No grid that fits into memory: the other proof stands.
        Err(AccountingError::TooFine) => return rdp::epsilon(loss, delta),
        both => both?,
    };
    // Below all that can be granted the rounding of the transform outweighs the grid.
    if larger.epsilon < Epsilon::LEAST {
        return Ok(rdp::epsilon(loss, delta).map_or(larger.epsilon, |bound| larger.epsilon.min(bound)));
    }
    // On a fine grid the Renyi bound is never the smaller; its divergence is never larger in the add
    // direction (Mironov, Talwar and Zhang 2019, theorem 5), so one direction bounds both.
    if larger.fine {
        return Ok(larger.epsilon);
    }
    Ok(larger.epsilon.min(rdp::epsilon_near(loss, delta, remove.theta + 1.0)))
}

/// The largest loss in the add direction: `-ln(1 - q)` a release; without end beside releases on every unit.
fn largest_of_add(loss: &Loss) -> f64 {
    if loss.mu2() > 0.0 {
        return f64::INFINITY;
    }
    let of = |release: &Release| -(-release.rate.get()).ln_1p() * f64::from(release.count);
    loss.sampled().iter().map(of).sum::<f64>() * (1.0 + 1e-12)
}

/// Epsilon by Renyi divergences alone, rounded up; for comparison.
///
/// # Errors
/// As [`epsilon_of`].
pub fn epsilon_rdp(loss: &Loss, delta: Delta) -> Result<f64, AccountingError> {
    let delta = delta.get() - loss.leak() * (1.0 + 4.0 * f64::EPSILON);
    if delta <= 0.0 { Err(AccountingError::Leaks) } else { rdp::epsilon(loss, delta) }
}
