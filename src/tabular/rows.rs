//! The stored form of a checked table: codes as little-endian words, nothing else.
//!
//! `dp2rows\0`, then the version (1) and the width, then for each row its `width` codes and one
//! word of flags (bit 0: held out from training for the report). All words are 32 bits.

use std::io::{self, Write};

use super::column::Code;
use super::schema::Schema;
use super::table::Table;

const MAGIC: &[u8; 8] = b"dp2rows\0";
const VERSION: u32 = 1;
const HEADER: usize = 16;
const HELD_OUT: u32 = 1;

/// Why stored bytes are not a table of the schema. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// They do not begin like stored rows.
    #[error("not stored rows of version {VERSION}")]
    Format,
    /// They were stored under a schema with another number of columns.
    #[error("stored with {stored} columns, the schema has {declared}")]
    Width {
        /// Columns that were stored.
        stored: u32,
        /// Columns of the schema.
        declared: usize,
    },
    /// They end within a row.
    #[error("cut short within row {row}")]
    Truncated {
        /// The row, from 1.
        row: usize,
    },
    /// A code or flag has no meaning under the schema.
    #[error("row {row} does not fit the schema")]
    Row {
        /// The row, from 1.
        row: usize,
    },
}

/// Writes rows in their stored form.
pub struct RowsWriter<W> {
    out: W,
    width: usize,
    words: Vec<u8>,
}

impl<W: Write> RowsWriter<W> {
    /// Begins stored rows of `width` columns.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, width: usize) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&u32::try_from(width).map_err(io::Error::other)?.to_le_bytes())?;
        Ok(Self { out, width, words: Vec::with_capacity(4 * (width + 1)) })
    }

    /// Appends one row of `width` codes.
    ///
    /// # Errors
    /// Those of `out`, and a row of another width.
    pub fn push(&mut self, row: &[Code], held_out: bool) -> io::Result<()> {
        if row.len() != self.width {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a row of another width"));
        }
        self.words.clear();
        for code in row {
            self.words.extend_from_slice(&code.to_le_bytes());
        }
        self.words.extend_from_slice(&(if held_out { HELD_OUT } else { 0 }).to_le_bytes());
        self.out.write_all(&self.words)
    }

    /// The writer below, to look at or to drain.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Gives the writer below back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// A stored table, taken apart.
pub struct Rows {
    /// The rows to train on.
    pub train: Table,
    /// The rows held out for the report.
    pub held_out: Table,
}

/// Reads stored rows, and checks every code against the schema: what does not fit is refused as a
/// whole.
///
/// # Errors
/// [`RowsError`].
pub fn decode(bytes: &[u8], schema: &Schema) -> Result<Rows, RowsError> {
    let width = schema.width();
    let (head, body) = bytes.split_at_checked(HEADER).ok_or(RowsError::Format)?;
    if &head[..8] != MAGIC || word(&head[8..12]) != VERSION {
        return Err(RowsError::Format);
    }
    let stored = word(&head[12..]);
    if stored as usize != width {
        return Err(RowsError::Width { stored, declared: width });
    }
    let mut rows = Rows { train: Table::new(width, Vec::new()), held_out: Table::new(width, Vec::new()) };
    let mut codes = Vec::with_capacity(width);
    let lines = body.chunks_exact(4 * (width + 1));
    let cut = !lines.remainder().is_empty();
    let count = lines.len();
    for (i, line) in lines.enumerate() {
        let (cells, flags) = line.split_at(4 * width);
        codes.clear();
        codes.extend(cells.chunks_exact(4).map(word));
        let fits = schema.columns().iter().zip(&codes).all(|(column, &code)| column.holds(code));
        match word(flags) {
            0 if fits => rows.train.push(&codes),
            HELD_OUT if fits => rows.held_out.push(&codes),
            _ => return Err(RowsError::Row { row: i + 1 }),
        }
    }
    if cut { Err(RowsError::Truncated { row: count + 1 }) } else { Ok(rows) }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}
