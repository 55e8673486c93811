//! The three tables that a report is about.

use crate::tabular::{Schema, Table};

/// The tables of a report.
#[derive(Clone, Copy)]
pub struct Tables<'a> {
    /// The schema of all three.
    pub schema: &'a Schema,
    /// Real rows that the generator was trained on.
    pub train: &'a Table,
    /// Real rows that nothing was trained on.
    pub held_out: &'a Table,
    /// Synthetic rows.
    pub synthetic: &'a Table,
}
