//! The least Gaussian that is no more private than a plan, over the whole curve.
//!
//! A plan P against Q (the neighbour) has the hockey-stick profile `J(e) = sup_S P(S) - exp(e) Q(S)`.
//! The certificate is the least mu with, for all e >= 0 and in both directions,
//!
//! `J(e) <= F(e) = d + (1 - d) delta_mu(e)`, where `delta_mu` is the profile of N(mu, 1) against N(0, 1).
//!
//! `F` is the profile of the pair "tell everything with probability d, else show N(mu b, 1)". For that
//! pair and for any other, `H_{-e}(P, Q) = 1 - exp(-e) + exp(-e) H_e(Q, P)`, and its profile is the same
//! in both directions, so dominance for e >= 0 in both directions is dominance for all real e. By
//! Blackwell's theorem there is then one random map that turns the pair into (P, Q).
//!
//! Points of a grid prove nothing between them unless something is said about both curves: `J` is at
//! most its chord in exp(e), but `F` is strictly convex in exp(e) and lies *below* its chord. So `J` at
//! the left end of each cell is compared with `F` at the right end; both fall, so that covers the
//! cell. The grid begins at 0, where the add direction may bind, and ends at the first point where
//! `J <= d`, beyond which `F >= d >= J`.

use super::curve::Curve;
use super::pieces::Pieces;
use crate::privacy::gaussian;
use crate::privacy::loss::Loss;
use crate::privacy::pld::Direction;
use crate::privacy::rdp::AccountingError;

/// The least mean, rounded up, of a Gaussian that with probability `1 - leak` is no more private than
/// `loss` (its own leak is not part of it). Losses without sampling need no leak. Large plans are cut
/// into parts (`pieces`), which costs them a few per cent.
///
/// # Errors
/// [`AccountingError`] when none is found, as with a leak of 0.
pub fn certificate(loss: &Loss, leak: f64) -> Result<f64, AccountingError> {
    // No search ends at a number that is none.
    if !all_of(loss).is_finite() {
        return Err(AccountingError::Unreachable);
    }
    if !loss.needs_leak() {
        return Ok(all_of(loss));
    }
    let pieces = Pieces::of(loss);
    if let [(whole, 1)] = pieces.kinds.as_slice() {
        return of_piece(whole, leak);
    }
    // A comparison fails for some piece with a probability of at most the sum of theirs.
    let share = leak / f64::from(pieces.leaking) * (1.0 - 2.0 * f64::EPSILON);
    let mut mu2 = 0.0;
    for (piece, times) in &pieces.kinds {
        mu2 += of_piece(piece, share)?.powi(2) * f64::from(*times) * (1.0 + 8.0 * f64::EPSILON);
    }
    Ok(rounded_up(mu2).min(all_of(loss)))
}

fn of_piece(loss: &Loss, leak: f64) -> Result<f64, AccountingError> {
    let mut mean = rounded_up(loss.mu2());
    if !loss.needs_leak() {
        return Ok(mean);
    }
    for direction in [Direction::Remove, Direction::Add] {
        let curve = Curve::of(loss, direction, leak)?;
        mean = raised(mean, &curve, leak, all_of(loss));
    }
    Ok(mean)
}

/// The mean of the Gaussian that all of `loss` would be without sampling. It dominates with no leak at
/// all: whoever sees it can put noise alone in its place with probability 1 - q.
fn all_of(loss: &Loss) -> f64 {
    rounded_up(loss.without_sampling())
}

fn rounded_up(mu2: f64) -> f64 {
    mu2.sqrt() * (1.0 + 2.0 * f64::EPSILON)
}

/// The least mean from `mean` on whose profile covers every cell of the curve; `most`, which does,
/// where that drowns in the rounding of the profiles.
fn raised(mut mean: f64, curve: &Curve, leak: f64, most: f64) -> f64 {
    // Coarse cells first: then few fine ones are left that call for more.
    for stride in [256, 16, 1] {
        for (i, &value) in curve.values.iter().enumerate().step_by(stride) {
            let right = (i + 1) as f64 * curve.step;
            let covers = |mean: f64| leak + (1.0 - leak) * gaussian::lower(mean, right) >= value;
            if covers(mean) {
                continue;
            }
            let (mut low, mut high) = (mean, (mean.max(1e-6) * 1.001).min(most));
            // Bounds of profiles near 1 may be above every Gaussian's: doubling alone would not end.
            while !covers(high) {
                if high >= most {
                    return most;
                }
                (low, high) = (high, (2.0 * high).min(most));
            }
            while high - low > 1e-12 * high {
                let middle = f64::midpoint(low, high);
                if covers(middle) { high = middle } else { low = middle }
            }
            mean = high;
        }
    }
    mean
}
