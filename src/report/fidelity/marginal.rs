//! One-way histogram intersection: does each column, by itself, look right?

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bins::Bins;
use crate::tabular::{Column, Schema, Table};

/// Histogram intersection column by column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OneWay {
    /// The mean over columns.
    pub mean: f64,
    /// The smallest of all columns.
    pub min: f64,
    /// Every column, in the order of the schema.
    pub columns: Vec<ColumnIntersection>,
}

/// The intersection of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnIntersection {
    /// The column's name.
    pub column: String,
    /// Between 0 (nothing in common) and 1 (equal histograms).
    pub intersection: f64,
}

/// Histogram intersection of two columns of bins: the sum over bins of the smaller of the two
/// shares. An empty column shares nothing with any other: 0.
///
/// `a` and `b` hold bins below `count`.
#[must_use]
pub fn intersection(a: &[u32], b: &[u32], count: usize) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let (of_a, of_b) = (histogram(a, count), histogram(b, count));
    let shares = of_a.iter().zip(&of_b);
    shares.map(|(&x, &y)| (x as f64 / a.len() as f64).min(y as f64 / b.len() as f64)).sum()
}

fn histogram(bins: &[u32], count: usize) -> Vec<u64> {
    let mut counts = vec![0; count];
    for &bin in bins {
        counts[bin as usize] += 1;
    }
    counts
}

impl OneWay {
    /// Of columns and their intersections.
    pub(super) fn of(columns: impl Iterator<Item = (String, f64)>) -> Self {
        let columns: Vec<_> =
            columns.map(|(column, intersection)| ColumnIntersection { column, intersection }).collect();
        let mean = columns.iter().map(|c| c.intersection).sum::<f64>() / columns.len() as f64;
        let min = columns.iter().map(|c| c.intersection).fold(1.0, f64::min);
        Self { mean, min, columns }
    }
}

/// The intersection of every column of `synthetic` with the same column of `real`, on public bins.
#[must_use]
pub fn one_way(schema: &Schema, real: &Table, synthetic: &Table) -> OneWay {
    let of = |(j, column): (usize, &Column)| {
        let bins = Bins::of(column);
        let shared = intersection(&bins.column(real, j), &bins.column(synthetic, j), bins.count());
        (column.name.clone(), shared)
    };
    OneWay::of(schema.columns().iter().enumerate().map(of))
}
