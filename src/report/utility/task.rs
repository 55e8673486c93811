//! Which question the models are asked, and on how many rows. Decided by the schema alone.

use super::dense::DenseLayout;
use crate::tabular::{Code, Domain, MISSING, Schema, Table};

/// Classes at most of a target without a declared positive value.
pub const MAX_CLASSES: usize = 10;

/// Rows at most that one model is fitted on or scored with.
pub const MAX_FIT_ROWS: usize = 200_000;

/// Rows times features at most that trees are fitted on (about 320 MiB).
pub const MAX_FIT_CELLS: usize = 32_000_000;

/// The classification that a schema's target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The index of the target column.
    pub target: usize,
    /// The classes that are each told from the rest: the positive value alone, or, of several
    /// categories without one, all of them.
    pub classes: Vec<Code>,
}

impl Task {
    /// The task of a schema: the declared positive value against the rest; else, of two values, the
    /// second against the first; else every one of up to [`MAX_CLASSES`] categories.
    ///
    /// # Errors
    /// Why there is no task, in words for the report.
    pub fn of(schema: &Schema) -> Result<Self, String> {
        let Some(target) = schema.target() else {
            return Err("The schema declares no target column for models to predict.".into());
        };
        let column = &schema.columns()[target];
        let values = column.domain.len();
        if schema.width() < 2 {
            return Err("The table has no column besides the target to predict it from.".into());
        }
        if values < 2 {
            return Err(format!("The target {} has only one declared value.", column.name));
        }
        let classes = match (&column.domain, schema.positive()) {
            (_, Some(positive)) if (positive as usize) < values => vec![positive],
            (_, _) if values == 2 => vec![1],
            (Domain::Grid(_), _) => {
                return Err(format!(
                    "The target {} is a number. Models are compared on categories: declare a positive value.",
                    column.name
                ));
            }
            (Domain::Categories(_), _) if values > MAX_CLASSES => {
                return Err(format!(
                    "The target {} has more than {MAX_CLASSES} categories: declare a positive one.",
                    column.name
                ));
            }
            (Domain::Categories(_), _) => (0..values as Code).collect(),
        };
        Ok(Self { target, classes })
    }

    /// Whether one value is told from the rest.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.classes.len() == 1
    }

    /// The rows of `table` that models see: those with a value of the target, and, where they are
    /// more than [`MAX_FIT_ROWS`] or [`MAX_FIT_CELLS`] allow (divided by the number of classes, each
    /// of which takes a model), evenly spaced ones of them.
    #[must_use]
    pub fn rows(&self, layout: &DenseLayout, table: &Table) -> Vec<usize> {
        let all: Vec<usize> = (0..table.rows()).filter(|&row| table.row(row)[self.target] != MISSING).collect();
        let most = MAX_FIT_ROWS.min(MAX_FIT_CELLS / layout.width().max(1)) / self.classes.len();
        if all.len() <= most {
            return all;
        }
        (0..most).map(|k| all[k * all.len() / most]).collect()
    }

    /// Whether each of `rows` of `table` is of `class`.
    #[must_use]
    pub fn labels(&self, table: &Table, rows: &[usize], class: Code) -> Vec<bool> {
        rows.iter().map(|&row| table.row(row)[self.target] == class).collect()
    }
}
