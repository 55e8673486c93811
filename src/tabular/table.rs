//! Rows in memory: codes, row after row. Has neither `Debug` nor `Display`: cells are private.

use super::column::Code;

/// A table of codes, `rows x width`, row-major.
#[derive(Clone, Default)]
pub struct Table {
    width: usize,
    codes: Vec<Code>,
}

impl Table {
    /// A table over `codes`, whose length must be a multiple of `width` (at least 1).
    #[must_use]
    pub fn new(width: usize, codes: Vec<Code>) -> Self {
        debug_assert!(width > 0 && codes.len().is_multiple_of(width));
        Self { width, codes }
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.codes.len().checked_div(self.width).unwrap_or(0)
    }

    /// The number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row `i`, one code a column.
    #[must_use]
    pub fn row(&self, i: usize) -> &[Code] {
        &self.codes[i * self.width..(i + 1) * self.width]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[Code]> {
        self.codes.chunks_exact(self.width.max(1))
    }

    /// The codes of one column, top to bottom.
    pub fn column(&self, j: usize) -> impl Iterator<Item = Code> + '_ {
        self.codes.iter().skip(j).step_by(self.width.max(1)).copied()
    }

    /// Appends one row of `width` codes.
    pub fn push(&mut self, row: &[Code]) {
        debug_assert_eq!(row.len(), self.width);
        self.codes.extend_from_slice(row);
    }
}
