//! Rows that occur more than once.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::sides::Sides;
use crate::tabular::Table;

/// The share of rows that are equal to another row of the same table in all cells, from 0 to 1. It grows with the
/// number of rows; near is good: more in the synthetic table than in the real one means that the generator repeats
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Duplicates {
    /// Of the real training rows.
    pub real: f64,
    /// Of the synthetic rows.
    pub synthetic: f64,
    /// The mean over two halves of the real training rows, each by itself; absent where there are fewer than two rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub halves: Option<f64>,
}

/// Counts equal rows.
pub(super) fn duplicates(sides: &Sides<'_>) -> Duplicates {
    let all = |table: &Table| share(table, (0..table.rows()).collect());
    let halves = sides.halves().map(|halves| halves.map(|rows| share(sides.real, rows.to_vec())));
    Duplicates {
        real: all(sides.real),
        synthetic: all(sides.synthetic),
        halves: halves.map(|[first, second]| f64::midpoint(first, second)),
    }
}

/// The share of `rows` that have an equal among them.
fn share(table: &Table, mut rows: Vec<usize>) -> f64 {
    rows.par_sort_unstable_by(|&a, &b| table.row(a).cmp(table.row(b)));
    let equal = |&a: &usize, &b: &usize| table.row(a) == table.row(b);
    let repeated: usize = rows.chunk_by(equal).map(<[usize]>::len).filter(|&run| run > 1).sum();
    repeated as f64 / rows.len().max(1) as f64
}
