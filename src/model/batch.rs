//! Rows of a batch, and which of them are clipped together.

use std::ops::Range;

/// Rows of a batch, fetched one at a time.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    units: Units<'a>,
    /// Writes the tokens of row `i`, one a position, each inside its position's span.
    pub fetch: &'a (dyn Fn(usize, &mut [u32]) + Sync),
}

/// What is clipped as one.
#[derive(Clone, Copy)]
enum Units<'a> {
    /// Each of so many rows by itself.
    Rows(usize),
    /// Rows next to each other, up to each of these ends.
    Groups(&'a [usize]),
}

impl<'a> Batch<'a> {
    /// A batch of `rows` rows, which may be 0, each a unit of its own.
    pub fn of_rows(rows: usize, fetch: &'a (dyn Fn(usize, &mut [u32]) + Sync)) -> Self {
        Self { units: Units::Rows(rows), fetch }
    }

    /// A batch of units: the rows of each end, exclusively, at its entry of `ends`, which ascend.
    pub fn of_groups(ends: &'a [usize], fetch: &'a (dyn Fn(usize, &mut [u32]) + Sync)) -> Self {
        Self { units: Units::Groups(ends), fetch }
    }

    /// Rows of all units together.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.units {
            Units::Rows(rows) => rows,
            Units::Groups(ends) => ends.last().copied().unwrap_or_default(),
        }
    }

    /// The batch cut into pieces of at most `most` rows that hold whole units; a unit that is longer
    /// makes a piece by itself.
    #[must_use]
    pub fn pieces(&self, most: usize) -> Vec<Range<usize>> {
        match self.units {
            Units::Rows(rows) => (0..rows).step_by(most).map(|first| first..rows.min(first + most)).collect(),
            Units::Groups(ends) => {
                let (mut pieces, mut first, mut last) = (Vec::new(), 0, 0);
                for &end in ends {
                    if end - first > most && last > first {
                        pieces.push(first..last);
                        first = last;
                    }
                    last = end;
                }
                if last > first {
                    pieces.push(first..last);
                }
                pieces
            }
        }
    }

    /// The units inside a piece, as ranges of rows of the batch.
    pub fn units_in(&self, piece: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let (rows, ends) = match self.units {
            Units::Rows(_) => (piece.clone(), &[][..]),
            Units::Groups(ends) => (0..0, ends),
        };
        let inside = ends.partition_point(|&end| end <= piece.start)..ends.partition_point(|&end| end <= piece.end);
        let groups = ends[inside].iter().scan(piece.start, |from, &end| Some(std::mem::replace(from, end)..end));
        rows.map(|row| row..row + 1).chain(groups)
    }
}
