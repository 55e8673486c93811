//! Rows of a table as the model reads them.

use crate::model::{NONE, Rows};
use crate::tabular::{Codec, Table};

/// Some rows of a table, each written as tokens when it is asked for.
#[derive(Clone, Copy)]
pub struct Encoded<'a> {
    /// The table.
    pub table: &'a Table,
    /// Which of its rows.
    pub rows: &'a [u32],
    /// How.
    pub codec: &'a Codec,
}

impl Rows for Encoded<'_> {
    fn length(&self, i: usize) -> usize {
        self.codec.length(self.table.row(self.rows[i] as usize))
    }

    fn write(&self, i: usize, tokens: &mut [u32], choices: &mut [u32]) {
        self.codec.write(self.table.row(self.rows[i] as usize), NONE, tokens, choices);
    }
}
