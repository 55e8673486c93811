//! What both fits have in common, that of the distribution and that of drawn rows' weights: the dual of maximum entropy
//! with a squared residual, over potentials of the cells of measured tables.

use std::ops::Range;

use super::fit::Measured;

/// The measured tables of a fit, one after the other.
pub struct Dual {
    rows: f64,
    counts: Vec<f64>,
    /// What a squared residual is held against.
    variances: Vec<f64>,
    /// About the root of the curvature, so that large cells and small ones move alike.
    scales: Vec<f64>,
    ends: Vec<usize>,
}

impl Dual {
    /// The dual for tables of about `rows` rows, each taken to be less exact than its noise by `lambda`.
    #[must_use]
    pub fn new(tables: &[Measured], (rows, lambda): (f64, f64)) -> Self {
        let spread = |table: &Measured| std::iter::repeat_n(lambda * table.deviation.powi(2), table.counts.len());
        let variances: Vec<f64> = tables.iter().flat_map(spread).collect();
        let counts: Vec<f64> = tables.iter().flat_map(|table| table.counts.iter().copied()).collect();
        let scales = counts.iter().zip(&variances).map(|(y, v)| (y.max(0.0) + v + 1.0).sqrt()).collect();
        let mut ends = Vec::with_capacity(tables.len());
        tables.iter().for_each(|table| ends.push(ends.last().unwrap_or(&0) + table.counts.len()));
        Self { rows, counts, variances, scales, ends }
    }

    /// Cells in all.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.counts.len()
    }

    /// Where the cells of each table lie.
    pub fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        self.ends.iter().zip(std::iter::once(&0).chain(&self.ends)).map(|(&end, &start)| start..end)
    }

    /// Potentials at a point of the search.
    #[must_use]
    pub fn potentials(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(&self.scales).map(|(x, scale)| x / scale).collect()
    }

    /// The point of the search where potentials are these.
    #[must_use]
    pub fn point(&self, potentials: impl IntoIterator<Item = f64>) -> Vec<f64> {
        potentials.into_iter().zip(&self.scales).map(|(theta, scale)| theta * scale).collect()
    }

    /// What cell `i` with potential `theta` adds to the value, and the slope there, where its expected probability is `p`.
    #[must_use]
    pub fn cell(&self, i: usize, theta: f64, p: f64) -> (f64, f64) {
        let (count, variance) = (self.counts[i], self.variances[i]);
        (theta * (0.5 * variance * theta - count), (self.rows * p - count + variance * theta) / self.scales[i])
    }
}
