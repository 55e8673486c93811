//! What is public about one column, and the cells that its values are counted in.

use serde::{Deserialize, Serialize};

/// Cells of an ordered column at most, besides the one of its lowest value.
const FINE: u32 = 1000;

/// Cells of the second, coarser count of a column with many.
const COARSE: usize = 32;

/// The domain of a column: values are numbered from 0, a missing one has the number `values`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// How many values there are, at least 1.
    pub values: u32,
    /// Whether their order means something.
    pub ordered: bool,
    /// Whether a value may be missing.
    pub missing: bool,
}

/// The cells of an axis: runs of values, and last of all the missing ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cells {
    axis: Axis,
    /// Where each run begins, and where the last one ends; none where each value is a cell of its own.
    edges: Option<Vec<u32>>,
}

impl Axis {
    /// The cells of this axis: the lowest value by itself (registers pile up on it), then runs of equal
    /// length.
    #[must_use]
    pub fn cells(self) -> Cells {
        let rest = u64::from(self.values - 1);
        let edges = (self.ordered && self.values > FINE + 1).then(|| {
            let edge = |i: u32| 1 + (u64::from(i) * rest / u64::from(FINE)) as u32;
            std::iter::once(0).chain((0..=FINE).map(edge)).collect()
        });
        Cells { axis: self, edges }
    }
}

impl Cells {
    /// The column's domain.
    #[must_use]
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// Cells of values, without the one for missing ones.
    #[must_use]
    pub fn values(&self) -> usize {
        self.edges.as_ref().map_or(self.axis.values as usize, |edges| edges.len() - 1)
    }

    /// Cells in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values() + usize::from(self.axis.missing)
    }

    /// The cell of a value. Whatever is no value of the domain counts as missing, or as the last cell.
    #[must_use]
    pub fn of(&self, value: u32) -> usize {
        if value >= self.axis.values {
            return self.count() - 1;
        }
        self.edges.as_ref().map_or(value as usize, |edges| edges.partition_point(|&edge| edge <= value) - 1)
    }

    /// The values of a cell: the first, and how many.
    #[must_use]
    pub fn run(&self, cell: usize) -> (u32, u32) {
        match &self.edges {
            _ if cell >= self.values() => (self.axis.values, 1),
            None => (cell as u32, 1),
            Some(edges) => (edges[cell], edges[cell + 1] - edges[cell]),
        }
    }

    /// The cells of values cut into 32 groups over equal parts of the range, where they are many: where each
    /// group begins, and the end.
    #[must_use]
    pub fn groups(&self) -> Option<Vec<usize>> {
        let cells = self.values();
        (self.axis.ordered && cells > 2 * COARSE).then(|| {
            let limit = |group: usize| (u64::from(self.axis.values) * group as u64).div_ceil(COARSE as u64) as u32;
            let first = |group: usize| (0..cells).position(|cell| self.run(cell).0 >= limit(group)).unwrap_or(cells);
            (0..=COARSE).map(first).collect()
        })
    }
}
