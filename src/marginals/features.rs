//! What labels may depend on: one-hot bins of single columns, of crossed pairs, and a constant.

use super::recipe::PARAMETERS;
use super::rows::{BinRows, volume};

/// Weights of features: small whole numbers, so that sums over rows are whole numbers.
const SINGLE: i64 = 2;
const CROSSED: i64 = 1;

/// One-hot features of columns and pairs of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    tables: Vec<Vec<usize>>,
    /// Where the features of each table begin; the constant comes last.
    offsets: Vec<usize>,
    sizes: Vec<usize>,
}

/// The features of each row: places of those that are not 0, `width` of them a row.
pub struct Encoded {
    /// Row after row.
    pub places: Vec<u32>,
    /// Places of a row.
    pub width: usize,
}

impl Features {
    /// The features of these columns and pairs, over columns of these sizes.
    #[must_use]
    pub fn new(tables: Vec<Vec<usize>>, sizes: &[usize]) -> Self {
        let mut offsets = Vec::with_capacity(tables.len() + 1);
        let mut end = 0;
        for table in &tables {
            offsets.push(end);
            end += volume(table, sizes);
        }
        offsets.push(end);
        Self { tables, offsets, sizes: sizes.to_vec() }
    }

    /// Those of `ranked` (tables, best first) that leave room for a model with so many classes.
    #[must_use]
    pub fn within(ranked: impl IntoIterator<Item = Vec<usize>>, classes: usize, sizes: &[usize]) -> Self {
        let room = PARAMETERS / (classes - 1).max(1);
        let mut taken = 1;
        let fits = |table: &Vec<usize>| {
            let more = volume(table, sizes);
            let fits = taken + more <= room;
            taken += if fits { more } else { 0 };
            fits
        };
        Self::new(ranked.into_iter().filter(fits).collect(), sizes)
    }

    /// Columns and pairs.
    #[must_use]
    pub fn tables(&self) -> &[Vec<usize>] {
        &self.tables
    }

    /// The sizes of all columns.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Where the features of each single column begin, and those of none: the constant.
    pub fn singles(&self) -> impl Iterator<Item = (usize, Option<usize>)> {
        let single = |(table, &offset): (&Vec<usize>, &usize)| (table.len() == 1).then(|| (offset, Some(table[0])));
        self.tables.iter().zip(&self.offsets).filter_map(single).chain([(self.count() - 1, None)])
    }

    /// Features in all, the constant included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.offsets[self.tables.len()] + 1
    }

    /// The value of a feature where it is not 0.
    #[must_use]
    pub fn weights(&self) -> Vec<i64> {
        let of = |table: &Vec<usize>| {
            std::iter::repeat_n(if table.len() == 1 { SINGLE } else { CROSSED }, volume(table, &self.sizes))
        };
        self.tables.iter().flat_map(of).chain([SINGLE]).collect()
    }

    /// The Euclidean norm, squared, of the features of any row.
    #[must_use]
    pub fn norm2(&self) -> i64 {
        let of = |table: &Vec<usize>| if table.len() == 1 { SINGLE * SINGLE } else { CROSSED * CROSSED };
        self.tables.iter().map(of).sum::<i64>() + SINGLE * SINGLE
    }

    /// The size of each table of features, and whether it is crossed; the constant counts as a table of one.
    pub fn groups(&self) -> impl Iterator<Item = (usize, bool)> {
        self.tables.iter().map(|table| (volume(table, &self.sizes), table.len() > 1)).chain([(1, false)])
    }

    /// The features of rows.
    #[must_use]
    pub fn encode(&self, rows: &BinRows) -> Encoded {
        let width = self.tables.len() + 1;
        let mut places = vec![(self.count() - 1) as u32; rows.len() * width];
        for (at, table) in self.tables.iter().enumerate() {
            let cells = rows.cells(table, &self.sizes);
            let offset = self.offsets[at] as u32;
            cells.iter().enumerate().for_each(|(row, cell)| places[row * width + at] = offset + cell);
        }
        Encoded { places, width }
    }
}

impl Encoded {
    /// Rows of places.
    pub fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.places.chunks(self.width)
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() / self.width
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}
