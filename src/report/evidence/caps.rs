//! How many rows are compared at most.

/// Sizes of the samples that are compared: every row of one sample with every row of the other. Of narrow tables the
/// constants below; of wider ones fewer of both, so that the work does not grow with the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Rows that are looked up at most.
    pub queries: usize,
    /// Rows among which they are looked up at most.
    pub references: usize,
}

/// Rows that are looked up at most in tables of up to [`NARROW`] columns.
const QUERIES: f64 = 4000.0;
/// Rows among which they are looked up at most there.
const REFERENCES: f64 = 20_000.0;
/// Columns of a narrow table.
const NARROW: f64 = 16.0;

impl Caps {
    /// The sizes for a table of `width` columns: `width * queries * references` is at most 1.28e9.
    #[must_use]
    pub fn of(width: usize) -> Self {
        let scale = (NARROW / width.max(1) as f64).sqrt().min(1.0);
        Self { queries: (QUERIES * scale) as usize, references: (REFERENCES * scale) as usize }
    }
}
