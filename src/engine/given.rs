//! What is given of a row that is to be written.

use crate::tabular::{Code, Schema};

/// A cell of a row to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// Written like any other.
    #[default]
    Free,
    /// Written, and not missing.
    Present,
    /// This value, or [`MISSING`](crate::tabular::MISSING).
    Value(Code),
}

impl Given {
    /// The same wish, of a column that may not be missing anyway.
    #[must_use]
    pub fn of_column(self, nullable: bool) -> Self {
        if self == Self::Present && !nullable { Self::Free } else { self }
    }

    /// The code that is given, if one is.
    #[must_use]
    pub fn code(self) -> Option<Code> {
        match self {
            Self::Value(code) => Some(code),
            Self::Free | Self::Present => None,
        }
    }
}

/// How many candidates to write for a row: `most` where it has to be weighed, else one.
#[must_use]
pub fn candidates(schema: &Schema, given: &[Given], most: usize) -> usize {
    if !given.is_empty() && looks_ahead(schema, given) { most.max(1) } else { 1 }
}

/// Whether some given cell comes after one that is drawn, in the order of writing. Then rows have to be
/// weighed: what was drawn did not know what was to come.
fn looks_ahead(schema: &Schema, given: &[Given]) -> bool {
    let mut drawn = false;
    schema.order().map(|column| given[column].of_column(schema.columns()[column].nullable)).any(|cell| {
        let ahead = drawn && cell != Given::Free;
        drawn |= cell.code().is_none();
        ahead
    })
}

/// Sets the given cells of a row that was written toward them: in a bin, another value may have been drawn.
pub fn impose(given: &[Given], row: &mut [Code]) {
    for (cell, code) in given.iter().zip(row) {
        if let Given::Value(value) = cell {
            *code = *value;
        }
    }
}
