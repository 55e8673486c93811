//! Uniform pseudo rows: what stage 1 of the published method's -U variant trains on.

use std::ops::Range;

use rand::Rng;

/// Fills `tokens` (one a position) with one pseudo row: every column independent and uniform over
/// its tokens, given as the spans of [`Compact::spans`](super::Compact::spans). For a column with one
/// token a value that is uniform over its values; for a wide grid, over its bins and atoms.
///
/// Spans follow from the public schema alone, so rows drawn here cost no privacy.
pub fn uniform_row<R: Rng + ?Sized>(spans: &[Range<u32>], rng: &mut R, tokens: &mut [u32]) {
    for (token, span) in tokens.iter_mut().zip(spans) {
        *token = rng.random_range(span.clone());
    }
}
