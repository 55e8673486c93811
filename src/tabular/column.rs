//! One declared column: a name, a public domain, and whether a cell may be missing.
//!
//! Every cell of a table is an index into its column's domain ([`Code`]), so that a value outside
//! the declaration cannot be represented, and what is stored needs no strings.

use super::grid::Grid;

/// A cell: the index of its value in the column's domain, or [`MISSING`].
pub type Code = u32;

/// The code of a missing cell. Domains hold at most `MISSING - 1` values.
pub const MISSING: Code = u32::MAX;

/// A column as its custodian declared it. Everything in here is public.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name in the header of the table.
    pub name: String,
    /// The values a cell may take.
    pub domain: Domain,
    /// Whether a cell may be missing (an empty field).
    pub nullable: bool,
}

/// The values of a column, in the order of their codes.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// Named categories, in declared order.
    Categories(Vec<String>),
    /// Equally spaced numbers or moments.
    Grid(Grid),
}

impl Domain {
    /// How many values the domain holds, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Categories(names) => names.len(),
            Self::Grid(grid) => grid.count() as usize,
        }
    }

    /// Never true for a checked schema; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Column {
    /// The text of a cell as it is written into a CSV; empty for a missing cell.
    ///
    /// `code` must be below the domain's length or [`MISSING`].
    #[must_use]
    pub fn text(&self, code: Code) -> String {
        let mut text = String::new();
        self.write(code, &mut text);
        text
    }

    /// Appends the text of a cell; as [`Column::text`].
    pub fn write(&self, code: Code, out: &mut String) {
        match &self.domain {
            _ if code == MISSING => {}
            Domain::Categories(names) => out.push_str(&names[code as usize]),
            Domain::Grid(grid) => grid.write(code, out),
        }
    }

    /// Whether the values are `false` and `true`, in this order.
    #[must_use]
    pub fn is_boolean(&self) -> bool {
        matches!(&self.domain, Domain::Categories(names) if names.iter().map(String::as_str).eq(["false", "true"]))
    }

    /// Whether `code` stands for a value of the domain, or for a missing cell that may be missing.
    #[must_use]
    pub fn holds(&self, code: Code) -> bool {
        (code as usize) < self.domain.len() || (code == MISSING && self.nullable)
    }

    /// The number behind a cell of a grid column (seconds since 1970 for a datetime); `None` for
    /// a missing cell and for categories.
    #[must_use]
    pub fn number(&self, code: Code) -> Option<f64> {
        match &self.domain {
            Domain::Grid(grid) if code != MISSING => Some(grid.number(code)),
            _ => None,
        }
    }
}
