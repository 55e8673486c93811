//! One release on a grid of losses, never below its profile.
//!
//! Connect-the-dots (Doroshenko, Ghazi, Kamath, Kumar and Manurangsi 2022): of the mass between two
//! grid losses, as much goes to the upper one as keeps both P's and Q's mass. The profile is then the
//! chord of the true one between grid points, in exp(e), which is convex: never below.

use super::pair::{Direction, Part};
use crate::privacy::gaussian::tail;
use crate::privacy::rdp::AccountingError;

/// Masses of P at the losses `(first + i) h`.
pub struct Dots {
    /// The lowest loss, in steps of the grid.
    pub first: i64,
    /// The masses.
    pub mass: Vec<f64>,
}

/// Beyond so many standard deviations of the noise there is a mass below 1e-40, which
/// [`INFINITY`](super::tilted) covers.
const REACH: f64 = 13.5;

/// Losses of one release at most.
const MOST: f64 = (1u64 << 23) as f64;

/// A tail with the side on which it is small, so that differences keep their digits.
#[derive(Clone, Copy)]
struct Tail {
    mass: f64,
    upper: bool,
}

impl Tail {
    fn at(z: f64) -> Self {
        if z > 0.0 { Self { mass: tail(z), upper: true } } else { Self { mass: tail(-z), upper: false } }
    }

    /// The mass between two places, the first being the lower one.
    fn to(self, right: Self) -> f64 {
        match (self.upper, right.upper) {
            (true, true) => self.mass - right.mass,
            (false, false) => right.mass - self.mass,
            _ => 1.0 - self.mass - right.mass,
        }
    }
}

impl Dots {
    /// One release of `part` (of all, where it is on every unit) on multiples of `h`.
    ///
    /// # Errors
    /// [`AccountingError::TooFine`] when there would be too many.
    pub fn of(part: &Part, direction: Direction, h: f64) -> Result<Self, AccountingError> {
        let (s, q) = (part.sigma, part.rate);
        let sign = if direction == Direction::Remove { 1.0 } else { -1.0 };
        let ends = [part.loss(-REACH * s), part.loss(1.0 + REACH * s)];
        let (low, high) = if sign > 0.0 { (ends[0], ends[1]) } else { (-ends[1], -ends[0]) };
        if (high - low) / h > MOST {
            return Err(AccountingError::TooFine);
        }
        let (first, last) = ((low / h).floor() as i64 - 1, (high / h).ceil() as i64 + 1);
        let cuts = |i: i64| {
            let x = part.place(sign * i as f64 * h);
            (Tail::at(x / s), Tail::at((x - 1.0) / s))
        };
        let mut mass = vec![0.0; (last - first + 1) as usize];
        let width = -(-h).exp_m1();
        let mut left = cuts(first);
        for i in 0..mass.len() - 1 {
            let at = first + i as i64;
            let right = cuts(at + 1);
            let (plain, shifted) = if sign > 0.0 {
                (left.0.to(right.0), left.1.to(right.1))
            } else {
                (right.0.to(left.0), right.1.to(left.1))
            };
            let mixed = (1.0 - q) * plain + q * shifted;
            let (p, other) = if sign > 0.0 { (mixed, plain) } else { (plain, mixed) };
            let (p, other) = (p.max(0.0), other.max(0.0));
            let up = ((p - other * (at as f64 * h).exp()) / width).clamp(0.0, p);
            mass[i] += p - up;
            mass[i + 1] += up;
            left = right;
        }
        Ok(Self { first, mass })
    }
}
