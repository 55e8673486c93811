//! The exact rule for a first plan: how large a Gaussian may follow it.
//!
//! A plan P whose parameters are fixed before any output, followed by anything that is post-processing
//! of a Gaussian with mean r, is post-processing of the pair (P, N(r b, 1)), whose parts are
//! independent. So all of it is (epsilon, delta)-differentially private when
//! `delta_{P x G(r)}(epsilon) <= delta` in both directions, and
//! `delta_{P x G(r)}(e) = sum_l P(L = l) delta_r(e - l) + P(L = infinity)`
//! over the losses l of P (a discretised distribution whose profile is never below P's).

use crate::privacy::epsilon::epsilon as least_epsilon;
use crate::privacy::gaussian;
use crate::privacy::loss::Loss;
use crate::privacy::pld::{Direction, Moments, Tilted, parts_of};
use crate::privacy::rdp::AccountingError;
use crate::privacy::units::{Delta, Epsilon};

/// The error of the discretisation, relative to epsilon.
const PRECISION: f64 = 1e-4;

/// The largest mean r, rounded down, of a Gaussian that may follow `loss` within (epsilon, delta).
/// None when the loss alone does not fit.
///
/// # Errors
/// [`AccountingError`] where the loss cannot be computed.
pub fn residual(loss: &Loss, epsilon: f64, delta: f64) -> Result<Option<f64>, AccountingError> {
    let delta = delta - loss.leak() * (1.0 + 4.0 * f64::EPSILON);
    if delta <= 0.0 {
        return Ok(None);
    }
    let whole = gaussian::largest_mean(epsilon, delta);
    if !loss.needs_leak() {
        let rest = whole * whole * (1.0 - 4.0 * f64::EPSILON) - loss.mu2();
        return Ok((rest >= 0.0).then(|| rest.sqrt() * (1.0 - 4.0 * f64::EPSILON)));
    }
    let directions = [losses(loss, Direction::Remove, epsilon, whole)?, losses(loss, Direction::Add, epsilon, whole)?];
    let followed = |(losses, theta): &(Tilted, f64), mean: f64| {
        let log = mean * mean * theta * (theta + 1.0) / 2.0;
        losses.followed_by(epsilon, |x| gaussian::upper(mean, x), log)
    };
    let fits = |mean: f64| directions.iter().all(|direction| followed(direction, mean) <= delta);
    if !fits(0.0) {
        return Ok(None);
    }
    let (mut low, mut high) = (0.0, whole);
    while high - low > 1e-9 * whole {
        let middle = f64::midpoint(low, high);
        if fits(middle) { low = middle } else { high = middle }
    }
    Ok(Some(low))
}

/// The losses of a plan, tilted for a Gaussian of about the size that may follow it, and the tilt. Any
/// tilt gives a bound; the saddle point gives a tight one.
fn losses(loss: &Loss, direction: Direction, epsilon: f64, whole: f64) -> Result<(Tilted, f64), AccountingError> {
    let parts = parts_of(loss);
    let moments = Moments::new(&parts, direction);
    // A loss that fills the budget like a Gaussian has this tilt; heavier tails are met by less.
    let mut theta = (epsilon / (whole * whole) - 0.5).max(1e-3);
    while theta > 1e-3 && moments.at(theta).mean > epsilon {
        theta *= 0.9;
    }
    let count: f64 = parts.iter().map(|p| p.count).sum();
    let fine = (12.0 * PRECISION * epsilon / (count * (theta + 1.0))).sqrt();
    let mut h = fine.min(0.2 * moments.at(theta).variance.sqrt()).max(1.5e-5 * epsilon);
    loop {
        match Tilted::new(&parts, direction, theta, h) {
            Err(AccountingError::TooFine) if h < epsilon => h *= 2.0,
            built => return Ok((built?, theta)),
        }
    }
}

/// Whether a loss fits (epsilon, delta) exactly, by the accountant that jobs are calibrated with.
///
/// # Errors
/// [`AccountingError`] where the loss cannot be computed.
pub fn fits_exactly(loss: &Loss, epsilon: Epsilon, delta: Delta) -> Result<bool, AccountingError> {
    Ok(least_epsilon(loss, delta)? <= epsilon.get())
}
