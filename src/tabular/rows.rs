//! The stored form of a checked table: codes as little-endian words, nothing else.
//!
//! `dp2rows\0`, then the version (1) and the width, then for each row its `width` codes and one
//! word of flags (bit 0: held out from training for the report). All words are 32 bits.

use std::io::{self, Read, Write};

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
    /// They could not be read.
    #[error("stored rows could not be read: {0}")]
    Input(io::ErrorKind),
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

/// Reads stored rows one after the other, checking every code against the schema.
pub struct RowsReader<'a, R> {
    input: R,
    schema: &'a Schema,
    line: Vec<u8>,
    row: usize,
}

impl<'a, R: Read> RowsReader<'a, R> {
    /// Begins with the header.
    ///
    /// # Errors
    /// [`RowsError::Format`], [`RowsError::Width`], [`RowsError::Input`].
    pub fn new(mut input: R, schema: &'a Schema) -> Result<Self, RowsError> {
        let mut head = [0; HEADER];
        if fill(&mut input, &mut head)? < HEADER || &head[..8] != MAGIC || word(&head[8..12]) != VERSION {
            return Err(RowsError::Format);
        }
        let (stored, declared) = (word(&head[12..]), schema.width());
        if stored as usize != declared {
            return Err(RowsError::Width { stored, declared });
        }
        Ok(Self { input, schema, line: vec![0; 4 * (declared + 1)], row: 0 })
    }

    /// Reads one row into `codes`, one for each column; says whether it was held out, or `None`
    /// after the last row.
    ///
    /// # Errors
    /// [`RowsError::Truncated`], [`RowsError::Row`], [`RowsError::Input`].
    pub fn next(&mut self, codes: &mut Vec<Code>) -> Result<Option<bool>, RowsError> {
        self.row += 1;
        match fill(&mut self.input, &mut self.line)? {
            0 => return Ok(None),
            read if read < self.line.len() => return Err(RowsError::Truncated { row: self.row }),
            _ => {}
        }
        let (cells, flags) = self.line.split_at(4 * self.schema.width());
        codes.clear();
        codes.extend(cells.chunks_exact(4).map(word));
        let fits = self.schema.columns().iter().zip(codes.iter()).all(|(column, &code)| column.holds(code));
        match word(flags) {
            0 if fits => Ok(Some(false)),
            HELD_OUT if fits => Ok(Some(true)),
            _ => Err(RowsError::Row { row: self.row }),
        }
    }
}

/// Reads a stored table whole: what does not fit the schema is refused as a whole.
///
/// # Errors
/// [`RowsError`].
pub fn decode(input: impl Read, schema: &Schema) -> Result<Rows, RowsError> {
    let mut reader = RowsReader::new(input, schema)?;
    let empty = || Table::new(schema.width(), Vec::new());
    let (mut rows, mut codes) = (Rows { train: empty(), held_out: empty() }, Vec::with_capacity(schema.width()));
    while let Some(held_out) = reader.next(&mut codes)? {
        if held_out { &mut rows.held_out } else { &mut rows.train }.push(&codes);
    }
    Ok(rows)
}

/// Reads until the buffer is full or the input ends; says how much there was.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, RowsError> {
    let mut read = 0;
    while read < buffer.len() {
        match input.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(RowsError::Input(error.kind())),
        }
    }
    Ok(read)
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}
