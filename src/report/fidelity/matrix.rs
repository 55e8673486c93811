//! One figure for every pair of columns.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::tabular::Schema;

/// Columns at most of a table whose matrices are in the report.
pub const MAX_MATRIX: usize = 60;

/// A symmetric matrix over the columns of the schema, in its order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Matrix {
    /// The names of the columns: of rows and of columns of the matrix.
    pub columns: Vec<String>,
    /// Row after row; as many rows as columns.
    pub rows: Vec<Vec<f64>>,
}

/// The matrix of figures of all pairs `(i, j)`, `i < j`, in that order.
///
/// # Errors
/// That the table has too many columns, in words.
pub(super) fn square(schema: &Schema, diagonal: impl Fn(usize) -> f64, pairs: &[f64]) -> Result<Matrix, String> {
    let width = schema.width();
    if width > MAX_MATRIX {
        return Err(format!(
            "The table has more than {MAX_MATRIX} columns: means and the worst pairs are given alone."
        ));
    }
    // Before row i come the pairs of the rows above it.
    let above = |i: usize| i * (2 * width - i - 1) / 2;
    let cell = |i: usize, j: usize| match i.cmp(&j) {
        std::cmp::Ordering::Equal => diagonal(i),
        std::cmp::Ordering::Less => pairs[above(i) + j - i - 1],
        std::cmp::Ordering::Greater => pairs[above(j) + i - j - 1],
    };
    let rows = (0..width).map(|i| (0..width).map(|j| cell(i, j)).collect()).collect();
    Ok(Matrix { columns: schema.columns().iter().map(|column| column.name.clone()).collect(), rows })
}
