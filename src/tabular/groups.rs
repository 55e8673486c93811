//! Rows that belong to one person, brought together.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::Range;

use super::table::Table;

/// Somebody, without saying who: the same bits for all rows of one person in one upload, others for
/// everybody else and in every other upload.
pub type Pseudonym = [u8; 16];

/// Which rows of a table are one person's. The rows of each lie next to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    ends: Vec<u32>,
}

impl Groups {
    /// The number of persons.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows of person `i`.
    #[must_use]
    pub fn rows(&self, i: usize) -> Range<usize> {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        start as usize..self.ends[i] as usize
    }
}

/// Brings the rows of each person together, persons in the order in which they appear, and keeps the
/// first `most` rows of each: a choice that looks at that person's rows alone, so that nobody's rows
/// depend on anybody else's. `persons` names the person of each row.
pub(super) fn gather(table: &Table, persons: &[Pseudonym], most: NonZeroU32) -> (Table, Groups) {
    let mut places: HashMap<Pseudonym, (u32, u32)> = HashMap::new();
    let mut kept: Vec<(u32, u32)> = Vec::with_capacity(table.rows());
    for (row, person) in persons.iter().enumerate() {
        let next = places.len() as u32;
        let (place, rows) = places.entry(*person).or_insert((next, 0));
        if *rows < most.get() {
            *rows += 1;
            kept.push((*place, row as u32));
        }
    }
    kept.sort_unstable(); // by person, then by row
    let mut gathered = Table::new(table.width(), Vec::with_capacity(kept.len() * table.width()));
    kept.iter().for_each(|(_, row)| gathered.push(table.row(*row as usize)));
    let mut total = 0;
    let ends = kept.chunk_by(|a, b| a.0 == b.0).map(|rows| {
        total += rows.len() as u32;
        total
    });
    let ends = ends.collect();
    (gathered, Groups { ends })
}
