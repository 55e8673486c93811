//! Features for boosting: one-hot categories and raw numbers, dense, column after column.

use crate::tabular::{Column, Domain, MISSING, Schema, Table};

/// Features that trees are given at most (one a column where there are more columns than that).
pub const MAX_DENSE_FEATURES: usize = 256;

/// Which columns stand for themselves and which are one-hot. A function of the schema alone.
///
/// Numbers are as they are, missing ones not a number, which the trees send to a side of their own
/// choice. Columns of categories are one-hot (and one feature for missing where declared nullable),
/// those with the fewest categories first while [`MAX_DENSE_FEATURES`] lasts; the others enter as
/// one number, the place in the declared order.
pub struct DenseLayout<'a> {
    features: Vec<Feature<'a>>,
}

enum Feature<'a> {
    /// 1 where the cell of the column has this code.
    Is { at: usize, code: u32 },
    /// The number of the cell, or the place of its category.
    Number { at: usize, column: &'a Column },
}

impl<'a> DenseLayout<'a> {
    /// The features of every column but `target`.
    #[must_use]
    pub fn of(schema: &'a Schema, target: usize) -> Self {
        let columns: Vec<_> = schema.columns().iter().enumerate().filter(|(at, _)| *at != target).collect();
        let mut narrowest: Vec<_> = columns.iter().filter_map(|&(at, column)| Some((one_hot(column)?, at))).collect();
        narrowest.sort_unstable();
        let mut room = MAX_DENSE_FEATURES.saturating_sub(columns.len());
        let mut spread = vec![false; schema.width()];
        for (size, at) in narrowest {
            if size - 1 > room {
                break;
            }
            room -= size - 1;
            spread[at] = true;
        }
        let mut features = Vec::new();
        for (at, column) in columns {
            if spread[at] {
                let codes = 0..column.domain.len() as u32;
                let missing = column.nullable.then_some(MISSING);
                features.extend(codes.chain(missing).map(|code| Feature::Is { at, code }));
            } else {
                features.push(Feature::Number { at, column });
            }
        }
        Self { features }
    }

    /// The number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// The features of `rows` of `table`: `width x rows`, one feature after another.
    #[must_use]
    pub fn encode(&self, table: &Table, rows: &[usize]) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.width() * rows.len());
        for feature in &self.features {
            match feature {
                Feature::Is { at, code } => {
                    out.extend(rows.iter().map(|&row| f64::from(u8::from(table.row(row)[*at] == *code))));
                }
                Feature::Number { at, column } => {
                    out.extend(rows.iter().map(|&row| number(column, table.row(row)[*at])));
                }
            }
        }
        out
    }
}

/// The features that a column of categories takes when spread out, at least 1.
fn one_hot(column: &Column) -> Option<usize> {
    match &column.domain {
        Domain::Categories(names) => Some(names.len() + usize::from(column.nullable)),
        Domain::Grid(_) => None,
    }
}

fn number(column: &Column, code: u32) -> f64 {
    match &column.domain {
        _ if code == MISSING => f64::NAN,
        Domain::Categories(_) => f64::from(code),
        Domain::Grid(grid) => grid.number(code),
    }
}
