//! Clipping: how much of each unit's gradient enters a sum.

use std::ops::Range;

/// What bounds the gradient of one unit: of a row, or of all rows of a person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// Scale it down to this Euclidean norm if it is longer (Abadi et al. 2016).
    Norm(f64),
    /// Leave it as it is: for rows that are public.
    None,
}

/// Replaces the squared norms of the rows of one unit by their factor, the same for all of them:
/// `min(1, bound / sum of the rows' norms)`, and 0 where a gradient is not finite, so that no unit can
/// add more than the bound.
///
/// By the triangle inequality the gradient of the unit is no longer than the sum of its rows' norms;
/// for a single row the two are the same.
pub fn unit_factors(squared_norms: &mut [f64], unit: Range<usize>, clipping: Clipping) {
    let rows = &mut squared_norms[unit];
    let norm: f64 = rows.iter().map(|x| x.sqrt()).sum();
    rows.fill(match clipping {
        _ if !norm.is_finite() => 0.0,
        Clipping::Norm(bound) if norm > bound => bound / norm,
        Clipping::Norm(_) | Clipping::None => 1.0,
    });
}
