//! Exact copies of real rows.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::figures::{Difference, Proportion};
use super::intervals::{LEVEL, difference_of_pairs, wilson};
use crate::tabular::{Code, Table};

const SAYS: &str = "Counts synthetic rows that equal a real row in every cell. Common rows are met by chance, so the \
                    count of equally many held-out rows, which nobody could have copied, is beside it: what counts is \
                    the difference. Copies beyond chance say that rows were memorised. No copies beyond chance does \
                    not say that nothing was: a row with one cell changed is no copy here, and the distances tell more \
                    of it.";

/// Synthetic rows that equal a real row, beside chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Copies {
    /// What this can and cannot show.
    pub says: String,
    /// Synthetic rows: all of them.
    pub synthetic_rows: usize,
    /// Training rows, and held-out rows, that they were held against: as many as the smaller of both tables has.
    pub reference_rows: usize,
    /// The part of synthetic rows that equal a training row.
    pub of_training: Proportion,
    /// The part that equal a held-out row: chance.
    pub of_held_out: Proportion,
    /// The first part less the second. 0 or less is good; an interval above 0 means copies beyond chance.
    pub beyond_chance: Difference,
}

/// Counts copies among all rows of `synthetic` of the named rows of both real tables, as many of each.
#[must_use]
pub fn copies(synthetic: &Table, training: (&Table, &[usize]), held_out: (&Table, &[usize])) -> Copies {
    let (train, held) = (rows_of(training), rows_of(held_out));
    let mut counts = [[0usize; 2]; 2];
    for row in synthetic.iter() {
        counts[usize::from(train.contains(row))][usize::from(held.contains(row))] += 1;
    }
    let (rows, [[_, held_alone], [train_alone, both]]) = (synthetic.rows(), counts);
    Copies {
        says: SAYS.into(),
        synthetic_rows: rows,
        reference_rows: training.1.len(),
        of_training: wilson((train_alone + both) as f64, rows, LEVEL),
        of_held_out: wilson((held_alone + both) as f64, rows, LEVEL),
        beyond_chance: difference_of_pairs(train_alone, held_alone, rows, LEVEL),
    }
}

fn rows_of<'t>((table, rows): (&'t Table, &[usize])) -> HashSet<&'t [Code]> {
    rows.iter().map(|&row| table.row(row)).collect()
}
