//! Which question the models are asked, and on how many rows.

use super::dense::DenseLayout;
use crate::tabular::{Code, Domain, MISSING, Schema, Table};

/// Classes at most that are told from the rest.
pub const MAX_CLASSES: usize = 10;

/// Rows at most that one model is fitted on or scored with.
pub const MAX_FIT_ROWS: usize = 200_000;

/// Rows times features at most that trees are fitted on (about 320 MiB).
pub const MAX_FIT_CELLS: usize = 32_000_000;

/// What models are asked about one column. Decided by the schema alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Of which class a row is: these are each told from the rest. The positive value alone where one is declared;
    /// of two values the second; else every category.
    Class(Vec<Code>),
    /// How large the number of a row is.
    Number,
}

impl Question {
    /// The question about column `target`.
    ///
    /// # Errors
    /// Why there is none, in words for the report.
    pub fn of(schema: &Schema, target: usize) -> Result<Self, String> {
        let column = &schema.columns()[target];
        let values = column.domain.len();
        if schema.width() < 2 {
            return Err("The table has no column besides the target to predict it from.".into());
        }
        if values < 2 {
            return Err(format!("The target {} has only one declared value.", column.name));
        }
        let positive = schema.positive().filter(|_| schema.target() == Some(target));
        Ok(match (&column.domain, positive) {
            (_, Some(positive)) => Self::Class(vec![positive]),
            (_, None) if values == 2 => Self::Class(vec![1]),
            (Domain::Grid(_), None) => Self::Number,
            (Domain::Categories(_), None) => Self::Class((0..values as Code).collect()),
        })
    }
}

/// The rows of `table` that `models` models of column `target` see: those with a value of it, and, where they are
/// more than [`MAX_FIT_ROWS`] or [`MAX_FIT_CELLS`] allow (divided by the number of models), evenly spaced ones of them.
#[must_use]
pub fn fit_rows(layout: &DenseLayout, table: &Table, target: usize, models: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..table.rows()).filter(|&row| table.row(row)[target] != MISSING).collect();
    let most = MAX_FIT_ROWS.min(MAX_FIT_CELLS / layout.width().max(1)) / models.max(1);
    if all.len() <= most {
        return all;
    }
    (0..most).map(|k| all[k * all.len() / most]).collect()
}
