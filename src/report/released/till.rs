//! The way out for exact counts.

use crate::marginals::Refused;
use crate::tabular::Table;

/// The real rows of a dataset: those of one unit of privacy are all on one side, by a coin of its own.
#[derive(Clone, Copy)]
pub struct RealRows<'a> {
    /// The rows that are trained on.
    pub train: &'a Table,
    /// The rows that nothing is trained on.
    pub held_out: &'a Table,
}

impl RealRows<'_> {
    /// All rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.train.rows() + self.held_out.rows()
    }
}

/// What is released, each from an allowance of its own, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleasedPart {
    /// How many real rows there are.
    Rows,
    /// The overlap of every column.
    Columns,
    /// The mean overlap of pairs of columns.
    Pairs,
    /// What a model says of held-out rows against what they are.
    Target,
}

/// Whoever holds the noise and its price.
pub trait Till {
    /// Adds noise to whole numbers that were computed from real rows, of which one row can move at most `sensitivity`
    /// in the Euclidean norm. Returns the noise's standard deviation.
    ///
    /// # Errors
    /// [`Refused`] when the part was not charged for, or was released before; nothing was drawn then.
    fn release(&mut self, part: ReleasedPart, counts: &mut [i64], sensitivity: u32) -> Result<f64, Refused>;

    /// Whether a part was charged for.
    fn has(&self, part: ReleasedPart) -> bool;
}
