//! The least epsilon of a composition at one delta.

use super::moments::{Moment, Moments};
use super::pair::{Direction, Part};
use super::tilted::Tilted;
use crate::privacy::rdp::AccountingError;

/// The grid is never finer than this much of epsilon: it would cost more than it gains.
const FINEST: f64 = 1.5e-5;
/// Nor is it coarser than this much of the standard deviation of the tilted loss.
const COARSEST: f64 = 0.2;

/// An epsilon, and the tilt at which it was found.
#[derive(Clone, Copy, Debug)]
pub struct Tight {
    /// Epsilon, rounded up.
    pub epsilon: f64,
    /// The tilt: the best Renyi order is about one above.
    pub theta: f64,
    /// The step of the grid.
    pub step: f64,
    /// Whether the grid was as fine as the precision asks for.
    pub fine: bool,
}

/// The least epsilon, rounded up, at which the composition of `parts` has `delta` in one direction.
///
/// `precision` is the relative error that the grid may add: connect-the-dots adds about
/// `T (theta + 1) h^2 / 12` to epsilon, T being the number of releases. It is always added, never
/// taken away. The grid is not finer than `least_step`.
///
/// # Errors
/// [`AccountingError::TooFine`] when no grid that says anything has few enough cells.
pub fn epsilon(
    parts: &[Part],
    direction: Direction,
    delta: f64,
    (precision, least_step): (f64, f64),
) -> Result<Tight, AccountingError> {
    let moments = Moments::new(parts, direction);
    let at = moments.saddle(delta);
    let guess = at.mean.max(1e-9);
    let finest = FINEST * guess;
    let wanted = step(parts, &at, precision).min(COARSEST * at.variance.sqrt());
    let mut h = wanted.max(finest).max(least_step);
    let mut coarse = None;
    loop {
        match Tilted::with(&moments, (parts, direction), at.theta, h) {
            Ok(tilted) => {
                // At the edges of the domain exponents overflow: then no grid says anything.
                let found = tilted.epsilon(delta).filter(|epsilon| epsilon.is_finite());
                let epsilon = found.ok_or(AccountingError::TooFine)?.max(0.0);
                // The rule above assumes losses spread over the cells; where most of them fall into the
                // middle of one, the grid adds more.
                let added = tilted.excess(at.log) / at.theta;
                let uneven = added / (precision * epsilon.max(1e-9));
                // And where few hits make the whole tail, epsilon lies far below the tilted mean.
                let lumpy = if epsilon < 0.7 * guess { 4.0 * guess / epsilon.max(1e-3 * guess) } else { 0.0 };
                let worse = uneven.max(lumpy);
                if coarse.is_some() || worse < 2.0 || h <= finest.max(least_step) {
                    let epsilon = epsilon.min(coarse.unwrap_or(epsilon));
                    return Ok(Tight { epsilon, theta: at.theta, step: h, fine: h <= wanted });
                }
                coarse = Some(epsilon);
                h = (h / worse.sqrt()).max(finest).max(least_step);
            }
            Err(AccountingError::TooFine) => match coarse {
                Some(epsilon) => return Ok(Tight { epsilon, theta: at.theta, step: h, fine: false }),
                None if h < guess / 4.0 => h *= 2.0,
                None => return Err(AccountingError::TooFine),
            },
            Err(error) => return Err(error),
        }
    }
}

fn step(parts: &[Part], at: &Moment, precision: f64) -> f64 {
    // Gaussians on every unit are one release, however many they are.
    let count: f64 = parts.iter().map(|p| p.merged().count).sum();
    (12.0 * precision * at.mean.max(1e-9) / (count * (at.theta + 1.0))).sqrt()
}
