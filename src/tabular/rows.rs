//! The stored form of a checked table: codes as little-endian words, nothing else.
//!
//! `dp2rows\0`, then the version and the width, then for each row its `width` codes, one word of
//! flags (bit 0: held out from training for the report) and, in version 2 alone, the 16 bytes of its
//! person's pseudonym. All words are 32 bits.

use std::io::{self, Read, Write};
use std::num::NonZeroU32;

use super::column::Code;
use super::groups::{Groups, Pseudonym, gather};
use super::schema::Schema;
use super::table::Table;

const MAGIC: &[u8; 8] = b"dp2rows\0";
/// Rows that stand alone.
const ALONE: u32 = 1;
/// Rows of persons.
const OF_PERSONS: u32 = 2;
const HEADER: usize = 16;
const HELD_OUT: u32 = 1;

/// Why stored bytes are not a table of the schema. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// They do not begin like stored rows.
    #[error("not stored rows of a known version, or not of the kind that was declared")]
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

/// What is stored of a row besides its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Held out from training for the report.
    pub held_out: bool,
    /// Whose row it is, in a table of persons; `None` in every other one.
    pub person: Option<Pseudonym>,
}

/// Writes rows in their stored form.
pub struct RowsWriter<W> {
    out: W,
    width: usize,
    of_persons: bool,
    words: Vec<u8>,
}

impl<W: Write> RowsWriter<W> {
    /// Begins stored rows of `width` columns, each alone or each of a person.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, width: usize, of_persons: bool) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&(if of_persons { OF_PERSONS } else { ALONE }).to_le_bytes())?;
        out.write_all(&u32::try_from(width).map_err(io::Error::other)?.to_le_bytes())?;
        Ok(Self { out, width, of_persons, words: Vec::with_capacity(4 * (width + 5)) })
    }

    /// Appends one row of `width` codes.
    ///
    /// # Errors
    /// Those of `out`, a row of another width, and a person where there are none or none where there
    /// are.
    pub fn push(&mut self, row: &[Code], mark: Mark) -> io::Result<()> {
        if row.len() != self.width || mark.person.is_some() != self.of_persons {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a row of another width or kind"));
        }
        self.words.clear();
        for code in row {
            self.words.extend_from_slice(&code.to_le_bytes());
        }
        self.words.extend_from_slice(&(if mark.held_out { HELD_OUT } else { 0 }).to_le_bytes());
        self.words.extend_from_slice(mark.person.as_ref().map_or(&[], |person| person));
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
    /// Whose rows those are, in a table of persons.
    pub persons: Option<Groups>,
    /// The rows held out for the report.
    pub held_out: Table,
}

/// Reads stored rows one after the other, checking every code against the schema.
pub struct RowsReader<'a, R> {
    input: R,
    schema: &'a Schema,
    line: Vec<u8>,
    of_persons: bool,
    row: usize,
}

impl<'a, R: Read> RowsReader<'a, R> {
    /// Begins with the header.
    ///
    /// # Errors
    /// [`RowsError::Format`], [`RowsError::Width`], [`RowsError::Input`].
    pub fn new(mut input: R, schema: &'a Schema) -> Result<Self, RowsError> {
        let mut head = [0; HEADER];
        if fill(&mut input, &mut head)? < HEADER || &head[..8] != MAGIC {
            return Err(RowsError::Format);
        }
        let of_persons = match word(&head[8..12]) {
            ALONE => false,
            OF_PERSONS => true,
            _ => return Err(RowsError::Format),
        };
        let (stored, declared) = (word(&head[12..]), schema.width());
        if stored as usize != declared {
            return Err(RowsError::Width { stored, declared });
        }
        let length = 4 * (declared + 1) + if of_persons { size_of::<Pseudonym>() } else { 0 };
        Ok(Self { input, schema, line: vec![0; length], of_persons, row: 0 })
    }

    /// Reads one row into `codes`, one for each column; gives what is stored besides, or `None` after
    /// the last row.
    ///
    /// # Errors
    /// [`RowsError::Truncated`], [`RowsError::Row`], [`RowsError::Input`].
    pub fn next(&mut self, codes: &mut Vec<Code>) -> Result<Option<Mark>, RowsError> {
        self.row += 1;
        match fill(&mut self.input, &mut self.line)? {
            0 => return Ok(None),
            read if read < self.line.len() => return Err(RowsError::Truncated { row: self.row }),
            _ => {}
        }
        let (cells, rest) = self.line.split_at(4 * self.schema.width());
        let (flags, person) = rest.split_at(4);
        codes.clear();
        codes.extend(cells.chunks_exact(4).map(word));
        let fits = self.schema.columns().iter().zip(codes.iter()).all(|(column, &code)| column.holds(code));
        let held_out = match word(flags) {
            0 if fits => false,
            HELD_OUT if fits => true,
            _ => return Err(RowsError::Row { row: self.row }),
        };
        let person = self.of_persons.then(|| person.try_into().unwrap_or_default());
        Ok(Some(Mark { held_out, person }))
    }
}

/// Reads a stored table whole: what does not fit the schema is refused as a whole. `most` is the
/// number of rows that count of one person, or `None` for a table whose rows stand alone; a table of
/// the other kind is refused.
///
/// # Errors
/// [`RowsError`].
pub fn decode(input: impl Read, schema: &Schema, most: Option<NonZeroU32>) -> Result<Rows, RowsError> {
    let mut reader = RowsReader::new(input, schema)?;
    if reader.of_persons != most.is_some() {
        return Err(RowsError::Format);
    }
    let side = || (Table::new(schema.width(), Vec::new()), Vec::new());
    let (mut train, mut held_out, mut codes) = (side(), side(), Vec::with_capacity(schema.width()));
    while let Some(mark) = reader.next(&mut codes)? {
        let (table, persons) = if mark.held_out { &mut held_out } else { &mut train };
        table.push(&codes);
        persons.extend(mark.person);
    }
    let Some(most) = most else { return Ok(Rows { train: train.0, persons: None, held_out: held_out.0 }) };
    let (train, persons) = gather(&train.0, &train.1, most);
    let (held_out, _) = gather(&held_out.0, &held_out.1, most);
    Ok(Rows { train, persons: Some(persons), held_out })
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
