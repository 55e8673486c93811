//! What predictions of a number are worth: R2, RMSE, MAE.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The scores of one model of a number on held-out real rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NumberScores {
    /// The share of the variance that is explained, 1 less the squared errors over those of the held-out mean: 1 is
    /// perfect, 0 as good as that mean, below 0 worse.
    pub r2: f64,
    /// The root of the mean squared error, in the units of the column (seconds for moments); low is good.
    pub rmse: f64,
    /// The mean absolute error, in the units of the column (seconds for moments); low is good.
    pub mae: f64,
}

/// Scores of predictions, one a row; `None` where the true values are all one.
#[must_use]
pub fn score_numbers(truth: &[f64], predicted: &[f64]) -> Option<NumberScores> {
    let count = truth.len() as f64;
    let first = truth.first()?;
    if truth.iter().all(|value| value == first) {
        return None;
    }
    let mean = truth.iter().sum::<f64>() / count;
    let squares = |of: &dyn Fn(usize) -> f64| (0..truth.len()).map(|i| of(i).powi(2)).sum::<f64>();
    let (wrong, spread) = (squares(&|i| truth[i] - predicted[i]), squares(&|i| truth[i] - mean));
    let mae = truth.iter().zip(predicted).map(|(t, p)| (t - p).abs()).sum::<f64>() / count;
    Some(NumberScores { r2: 1.0 - wrong / spread, rmse: (wrong / count).sqrt(), mae })
}
