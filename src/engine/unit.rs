//! Persons as units of privacy: declared, public facts.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Most rows that can count of one person. All of them pass through the model together.
pub const MAX_ROWS_OF_PERSON: u32 = 64;
/// Most cells that can count of one person, for the same reason.
pub const MAX_CELLS_OF_PERSON: usize = 8192;

/// What protects persons with several rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonUnit {
    /// The declared number of persons, which every private sum is divided by (times q).
    pub persons_public: u64,
    /// Rows that count of one person.
    pub max_rows: NonZeroU32,
}

/// The declared number of units of privacy: of persons where they are the unit, else of rows.
pub fn units_public(rows_public: u64, persons: Option<PersonUnit>) -> u64 {
    persons.map_or(rows_public, |persons| persons.persons_public)
}

/// Rows of a typical unit, as far as the declared numbers tell.
pub fn rows_each(rows_public: u64, persons: Option<PersonUnit>) -> f64 {
    let of = |persons: PersonUnit| {
        (rows_public as f64 / persons.persons_public as f64).clamp(1.0, f64::from(persons.max_rows.get()))
    };
    persons.map_or(1.0, of)
}

impl PersonUnit {
    /// Whether all rows of one person fit in memory at once, in a table of so many columns.
    #[must_use]
    pub fn fits(&self, columns: usize) -> bool {
        let rows = self.max_rows.get();
        rows <= MAX_ROWS_OF_PERSON && rows as usize * columns <= MAX_CELLS_OF_PERSON
    }
}
