//! Public bins of a column, for histograms.
//!
//! The bins depend on the declaration alone, never on a row, so that two tables of one schema are
//! always counted alike.

use crate::tabular::{Code, Column, Domain, Grid, MISSING, Table};

/// Bins of equal width that the declared range of a grid column is cut into.
pub const WIDTHS: u32 = 20;

/// The bins of one column: one per category, or [`WIDTHS`] of equal width over a grid's declared
/// range, and one more, the last, for missing cells.
pub struct Bins<'a> {
    rule: Rule<'a>,
    values: u32,
}

enum Rule<'a> {
    Category,
    Width { grid: &'a Grid, low: f64, span: f64 },
}

impl<'a> Bins<'a> {
    /// The bins of `column`.
    #[must_use]
    pub fn of(column: &'a Column) -> Self {
        match &column.domain {
            Domain::Categories(names) => Self { rule: Rule::Category, values: names.len() as u32 },
            Domain::Grid(grid) => {
                let (low, high) = (grid.number(0), grid.number(grid.count() - 1));
                Self { rule: Rule::Width { grid, low, span: high - low }, values: WIDTHS }
            }
        }
    }

    /// The number of bins, the one for missing cells included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values as usize + 1
    }

    /// The bin of a cell, below [`Bins::count`]. A value on the upper bound belongs to the last
    /// width; a grid of one value has all of it in the first.
    #[must_use]
    pub fn bin(&self, code: Code) -> u32 {
        match &self.rule {
            _ if code == MISSING => self.values,
            Rule::Category => code,
            Rule::Width { span, .. } if *span <= 0.0 => 0,
            Rule::Width { grid, low, span } => {
                let place = (grid.number(code) - low) / span;
                ((place * f64::from(WIDTHS)) as u32).min(WIDTHS - 1)
            }
        }
    }

    /// The bins of column `j` of `table`, top to bottom.
    #[must_use]
    pub fn column(&self, table: &Table, j: usize) -> Vec<u32> {
        table.column(j).map(|code| self.bin(code)).collect()
    }
}
