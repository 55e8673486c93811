//! Do predicted probabilities mean what they say?

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bins of equal width that predicted probabilities are sorted into.
pub const CALIBRATION_BINS: usize = 10;

/// Predicted probabilities against what was seen in held-out real rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calibration {
    /// The mean squared difference of probability and outcome (0 or 1), from 0 to 1; low is good. Always saying the
    /// rate `r` of positive rows gives `r (1 - r)`.
    pub brier: f64,
    /// The expected calibration error: the mean over rows of how far the rate seen in a row's bin is from the mean
    /// probability predicted in it, from 0 to 1; low is good.
    pub expected_error: f64,
    /// Ten bins of equal width, from probability 0 to 1; those without a row are left out.
    pub bins: Vec<CalibrationBin>,
}

/// The rows whose predicted probability is in one bin: above `from` (or at it, in the first) and not above `to`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CalibrationBin {
    /// Where the bin begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Held-out rows in it, at least 1.
    pub rows: usize,
    /// The mean of their predicted probabilities.
    pub predicted: f64,
    /// The share of them that is positive.
    pub observed: f64,
}

/// The calibration of the probabilities that rows are positive. There must be a row.
#[must_use]
pub fn calibration(positive: &[bool], probabilities: &[f64]) -> Calibration {
    let mut sums = [(0usize, 0.0, 0.0); CALIBRATION_BINS];
    let mut squares = 0.0;
    for (&yes, &p) in positive.iter().zip(probabilities) {
        let outcome = f64::from(u8::from(yes));
        let bin = (1..CALIBRATION_BINS).filter(|&k| edge(k) < p).count();
        sums[bin] = (sums[bin].0 + 1, sums[bin].1 + p, sums[bin].2 + outcome);
        squares += (p - outcome) * (p - outcome);
    }
    let bin = |(k, (rows, predicted, observed)): (usize, &(usize, f64, f64))| CalibrationBin {
        from: edge(k),
        to: edge(k + 1),
        rows: *rows,
        predicted: predicted / *rows as f64,
        observed: observed / *rows as f64,
    };
    let bins: Vec<CalibrationBin> = sums.iter().enumerate().filter(|(_, (rows, ..))| *rows > 0).map(bin).collect();
    let rows = positive.len() as f64;
    let error = bins.iter().map(|bin| bin.rows as f64 * (bin.predicted - bin.observed).abs()).sum::<f64>();
    Calibration { brier: squares / rows, expected_error: error / rows, bins }
}

fn edge(k: usize) -> f64 {
    k as f64 / CALIBRATION_BINS as f64
}
