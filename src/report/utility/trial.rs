//! One column to be predicted, from three tables: fit on two of them, score on the third.

use super::dense::DenseLayout;
use super::sparse::{SparseEncoder, SparseMatrix};
use super::task::fit_rows;
use crate::report::tables::Tables;
use crate::tabular::{Code, Schema, Table};

/// Held-out rows that a class needs, and as many outside it, or that a number needs, for a score to say anything.
pub const MIN_HELD_OUT: usize = 10;

/// Some rows of a table.
pub(super) struct Rows<'a> {
    pub table: &'a Table,
    pub rows: Vec<usize>,
}

impl Rows<'_> {
    /// The cells of column `j`.
    pub fn codes(&self, j: usize) -> impl Iterator<Item = Code> + '_ {
        self.rows.iter().map(move |&row| self.table.row(row)[j])
    }
}

/// The rows that models of one column see.
pub(super) struct Trial<'a> {
    pub schema: &'a Schema,
    pub target: usize,
    pub layout: DenseLayout<'a>,
    pub train: Rows<'a>,
    pub held_out: Rows<'a>,
    pub synthetic: Rows<'a>,
}

impl<'a> Trial<'a> {
    /// The rows with a value of column `target`, as far as `models` models may have them.
    pub fn new(target: usize, tables: Tables<'a>, models: usize) -> Self {
        let schema = tables.schema;
        let layout = DenseLayout::of(schema, target);
        let of = |table: &'a Table| Rows { table, rows: fit_rows(&layout, table, target, models) };
        let [train, held_out, synthetic] = [tables.train, tables.held_out, tables.synthetic].map(of);
        Self { schema, target, layout, train, held_out, synthetic }
    }

    /// That there are rows to fit on.
    ///
    /// # Errors
    /// Which table has no row with a value of the target, in words for the report.
    pub fn can_be_fitted(&self) -> Result<(), String> {
        let which = match (self.train.rows.is_empty(), self.synthetic.rows.is_empty()) {
            (true, _) => "real training",
            (_, true) => "synthetic",
            _ => return Ok(()),
        };
        Err(format!("No {which} row has a value of the target."))
    }

    /// Sparse features of the rows to fit on and of those to score on.
    pub fn sparse(&self, fit: &Rows<'_>) -> [SparseMatrix; 2] {
        let encoder = SparseEncoder::fit(self.schema, self.target, fit.table, &fit.rows);
        [fit, &self.held_out].map(|rows| encoder.encode(rows.table, &rows.rows))
    }
}
