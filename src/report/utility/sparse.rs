//! Features for logistic regression: one-hot categories, standardised numbers, sparse.

use crate::tabular::{Code, Column, Domain, MISSING, Schema, Table};

/// How the columns of a schema, all but the target, become features. Statistics of numbers are those
/// of the table the encoder was fitted on.
///
/// A category is one feature a value and, when the column may be missing, one more for that. A
/// number is one feature, less the mean and over the standard deviation, and one more that says
/// that it is missing (the number then stands at the mean).
pub struct SparseEncoder<'a> {
    features: Vec<Feature<'a>>,
    width: usize,
}

struct Feature<'a> {
    column: &'a Column,
    at: usize,
    first: usize,
    kind: Kind,
}

enum Kind {
    Category { values: usize },
    Number { mean: f64, deviation: f64 },
}

/// Rows of features, each with the same small number of entries that may differ from 0.
pub struct SparseMatrix {
    /// Entries a row.
    stride: usize,
    /// The number of features.
    width: usize,
    /// `rows x stride`: which feature.
    indices: Vec<u32>,
    /// `rows x stride`: its value.
    values: Vec<f64>,
}

impl<'a> SparseEncoder<'a> {
    /// The features of every column but `target`, with the mean and the deviation (over `n`, 1 where
    /// it would be 0) of the numbers in `rows` of `table`.
    #[must_use]
    pub fn fit(schema: &'a Schema, target: usize, table: &Table, rows: &[usize]) -> Self {
        let mut width = 0;
        let mut features = Vec::new();
        for (at, column) in schema.columns().iter().enumerate().filter(|(at, _)| *at != target) {
            let (kind, size) = match &column.domain {
                Domain::Categories(names) => (Kind::Category { values: names.len() }, names.len()),
                Domain::Grid(_) => {
                    let numbers = rows.iter().filter_map(|&row| column.number(table.row(row)[at]));
                    let (mean, deviation) = moments(numbers);
                    (Kind::Number { mean, deviation }, 1)
                }
            };
            features.push(Feature { column, at, first: width, kind });
            width += size + usize::from(column.nullable);
        }
        Self { features, width }
    }

    /// The features of `rows` of `table`, in that order.
    #[must_use]
    pub fn encode(&self, table: &Table, rows: &[usize]) -> SparseMatrix {
        let entries = rows.len() * self.features.len();
        let (mut indices, mut values) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        for &row in rows {
            let codes = table.row(row);
            for feature in &self.features {
                let (index, value) = feature.entry(codes[feature.at]);
                indices.push(index as u32);
                values.push(value);
            }
        }
        SparseMatrix { stride: self.features.len(), width: self.width, indices, values }
    }
}

impl Feature<'_> {
    /// The one entry of a cell. A missing cell of a column that was not declared nullable is no
    /// value at all: an entry of 0.
    fn entry(&self, code: Code) -> (usize, f64) {
        let values = match &self.kind {
            Kind::Category { values } => *values,
            Kind::Number { .. } => 1,
        };
        match &self.kind {
            _ if code == MISSING && self.column.nullable => (self.first + values, 1.0),
            _ if code == MISSING => (self.first, 0.0),
            Kind::Category { .. } => (self.first + code as usize, 1.0),
            Kind::Number { mean, deviation } => {
                (self.first, (self.column.number(code).unwrap_or(*mean) - mean) / deviation)
            }
        }
    }
}

/// Mean and standard deviation, in two passes for the digits' sake.
fn moments(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = numbers.clone().count().max(1) as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    let variance = numbers.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    // What rounding leaves of a constant is no spread.
    let spread = variance > 1e-24 * mean * mean && variance > 0.0;
    (mean, if spread { variance.sqrt() } else { 1.0 })
}

impl SparseMatrix {
    /// A matrix of given entries: `indices` and `values` are `rows x stride`, indices below `width`.
    #[must_use]
    pub fn new(stride: usize, width: usize, indices: Vec<u32>, values: Vec<f64>) -> Self {
        debug_assert!(indices.len() == values.len() && indices.len().is_multiple_of(stride.max(1)));
        Self { stride, width, indices, values }
    }

    /// The number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// `X w + b`, one number a row; `rows` is the number of rows.
    #[must_use]
    pub fn times(&self, weights: &[f64], intercept: f64, rows: usize) -> Vec<f64> {
        let dot = |row| self.row(row).map(|(index, value)| value * weights[index]).sum::<f64>();
        (0..rows).map(|row| intercept + dot(row)).collect()
    }

    /// Adds `X' r` to `out`.
    pub fn add_transposed(&self, residual: &[f64], out: &mut [f64]) {
        for (row, r) in residual.iter().enumerate() {
            for (index, value) in self.row(row) {
                out[index] += value * r;
            }
        }
    }

    /// Adds the column sums of `r X^2` to `out`.
    pub fn add_squares(&self, residual: &[f64], out: &mut [f64]) {
        for (row, r) in residual.iter().enumerate() {
            for (index, value) in self.row(row) {
                out[index] += value * value * r;
            }
        }
    }

    fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let span = row * self.stride..(row + 1) * self.stride;
        self.indices[span.clone()].iter().map(|&i| i as usize).zip(self.values[span].iter().copied())
    }
}
