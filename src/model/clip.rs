//! Per-row clipping: how much of each row's gradient enters a sum.

/// What bounds the gradient of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// Scale it down to this Euclidean norm if it is longer (Abadi et al. 2016).
    Norm(f64),
    /// Leave it as it is: for rows that are public.
    None,
}

/// Replaces squared norms by factors: `min(1, bound / norm)`, and 0 for a row whose gradient is not
/// finite, so that no row can add more than the bound.
pub fn row_factors(squared_norms: &mut [f64], clipping: Clipping) {
    for x in squared_norms {
        let norm = x.sqrt();
        *x = match clipping {
            _ if !norm.is_finite() => 0.0,
            Clipping::Norm(bound) if norm > bound => bound / norm,
            Clipping::Norm(_) | Clipping::None => 1.0,
        };
    }
}
