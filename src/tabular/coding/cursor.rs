//! Where the writing of one row stands.

use crate::tabular::column::{Code, MISSING};

/// The writing of one row: the column at hand, the place in it, and the cells that are behind it.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Position of the column at hand, in the order of writing.
    pub(super) column: usize,
    /// The place in it.
    pub(super) at: At,
    codes: Vec<Code>,
}

/// A place in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The tokens before the value, of which so many are written.
    Lead(usize),
    /// A node of the column's trie, so many tokens deep.
    Node {
        /// The node.
        node: usize,
        /// Tokens of the value that are written.
        depth: usize,
    },
    /// Characters of a number: those of all codes from `low` to before `high` agree so far.
    Characters {
        /// The first code that the characters written so far leave.
        low: Code,
        /// The code after the last one.
        high: Code,
        /// Characters written.
        written: usize,
    },
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This token and no other.
    Forced(u32),
    /// A token of what the model's heads know under this number: a place, or a set.
    Choice(u32),
    /// Nothing: the row is whole.
    End,
}

impl Cursor {
    /// Before the first token of a row of so many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { column: 0, at: At::Lead(0), codes: vec![MISSING; columns] }
    }

    /// Ends the column at hand with a code for column `of` of the schema.
    pub(super) fn finish(&mut self, of: usize, code: Code) {
        self.codes[of] = code;
        self.column += 1;
        self.at = At::Lead(0);
    }

    /// The cells written so far, in the order of the schema; the others are [`MISSING`].
    #[must_use]
    pub fn codes(&self) -> &[Code] {
        &self.codes
    }
}
