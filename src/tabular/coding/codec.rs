//! The two codecs as one.

use rand::Rng;

use super::compact::Compact;
use super::cursor::{Cursor, Next};
use super::text::Text;
use crate::tabular::column::Code;

/// How rows are written as tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Codec {
    /// One token a column.
    Compact(Compact),
    /// Sentences.
    Text(Text),
}

impl Codec {
    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Compact(compact) => compact.width(),
            Self::Text(text) => text.width(),
        }
    }

    /// The most tokens of a row.
    #[must_use]
    pub fn longest(&self) -> usize {
        match self {
            Self::Compact(compact) => compact.width(),
            Self::Text(text) => text.longest(),
        }
    }

    /// Tokens of a row of codes (`width`, schema order).
    #[must_use]
    pub fn length(&self, row: &[Code]) -> usize {
        match self {
            Self::Compact(compact) => compact.width(),
            Self::Text(text) => text.length(row),
        }
    }

    /// Writes a row: its tokens, and for each what it is chosen from, or `none` where it is forced.
    pub fn write(&self, row: &[Code], none: u32, tokens: &mut [u32], choices: &mut [u32]) {
        match self {
            Self::Compact(compact) => {
                compact.encode(row, tokens);
                choices.iter_mut().zip(0..).for_each(|(choice, place)| *choice = place);
            }
            Self::Text(text) => text.write(row, none, tokens, choices),
        }
    }

    /// Before the first token of a row.
    #[must_use]
    pub fn start(&self) -> Cursor {
        Cursor::new(self.width())
    }

    /// What comes next.
    #[must_use]
    pub fn next(&self, cursor: &Cursor) -> Next {
        match self {
            Self::Compact(compact) if cursor.column == compact.width() => Next::End,
            Self::Compact(_) => Next::Choice(cursor.column as u32),
            Self::Text(text) => text.next(cursor),
        }
    }

    /// The column, in the schema, that is being written; `None` at the end.
    #[must_use]
    pub fn column(&self, cursor: &Cursor) -> Option<usize> {
        match self {
            Self::Compact(compact) => compact.column(cursor.column),
            Self::Text(text) => text.column(cursor.column),
        }
    }

    /// The probability of a code of a column of the schema once its tokens are written: below 1 where they stand for
    /// several.
    #[must_use]
    pub fn share(&self, column: usize, code: Code) -> f64 {
        match self {
            Self::Compact(compact) => compact.share(column, code),
            Self::Text(_) => 1.0,
        }
    }

    /// The option, where there is a choice, that leads on to a code of the column being written.
    #[must_use]
    pub fn toward(&self, cursor: &Cursor, code: Code) -> u32 {
        match self {
            Self::Compact(compact) => compact.token(cursor.column, code),
            Self::Text(text) => text.toward(cursor, code).unwrap_or_default(),
        }
    }

    /// The option, where there is a choice, that leads to a missing cell and nowhere else.
    #[must_use]
    pub fn barred(&self, cursor: &Cursor) -> Option<u32> {
        match self {
            Self::Compact(compact) => compact.missing(cursor.column),
            Self::Text(text) => text.barred(cursor),
        }
    }

    /// Writes a token, which is what [`Codec::next`] offers. A bin becomes a value drawn uniformly inside
    /// it.
    pub fn take<R: Rng + ?Sized>(&self, cursor: &mut Cursor, token: u32, rng: &mut R) {
        match self {
            Self::Compact(compact) => {
                if let Some(column) = compact.column(cursor.column) {
                    let code = compact.code(cursor.column, token, rng);
                    cursor.finish(column, code);
                }
            }
            Self::Text(text) => text.take(cursor, token),
        }
    }
}
