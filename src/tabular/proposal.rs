//! A schema that is guessed from a table, for its custodian to edit: what it says was read from private rows.
//!
//! Ends of numbers and dates are widened to round ones, so that a declaration that is taken as it stands does not tell
//! the smallest and the largest value. Categories cannot be widened: they are listed, and it is the custodian who knows
//! whether that they occur is public.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cell::NOT_UTF8;
use super::column::Domain;
use super::declaration::Declaration;
use super::guess::Guess;
use super::limits::UploadLimits;
use super::problem::{TableError, TableProblem};
use super::reader::not_text;

const BOM: &[u8] = b"\xef\xbb\xbf";
/// What tables are separated by that are not separated by commas.
const DELIMITERS: [(char, &str); 3] = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")];

/// What a table looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// A declaration. Columns that nothing could be guessed of have no categories, and must be mended or removed.
    pub schema: Value,
    /// For columns by name: what their custodian should know.
    pub notes: BTreeMap<String, Vec<String>>,
    /// Rows below the header.
    pub rows: u64,
    /// Whether the schema could be declared as it stands.
    pub complete: bool,
}

/// Reads a CSV, in pieces, and guesses. Its memory is bounded by the limits and by what is kept of each column.
pub struct Proposer {
    limits: UploadLimits,
    csv: csv_core::Reader,
    /// The first bytes, until there are enough to know a byte order mark.
    opening: Option<Vec<u8>>,
    line: Vec<u8>,
    line_len: usize,
    ends: Vec<usize>,
    fields: usize,
    columns: Option<Vec<(String, Guess)>>,
    rows: u64,
}

impl Proposer {
    /// A reader under these limits.
    #[must_use]
    pub fn new(limits: UploadLimits) -> Self {
        Self {
            limits,
            csv: csv_core::Reader::new(),
            opening: Some(Vec::new()),
            line: vec![0; limits.line_bytes.clamp(1, 4096)],
            line_len: 0,
            ends: vec![0; limits.fields + 1],
            fields: 0,
            columns: None,
            rows: 0,
        }
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// [`TableError`] when this is no table that could be uploaded. It holds no text of the table.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        let Some(mut opening) = self.opening.take() else { return self.read(bytes) };
        opening.extend_from_slice(bytes);
        if opening.len() < BOM.len() {
            self.opening = Some(opening);
            return Ok(());
        }
        self.open(&opening)
    }

    /// Ends the table and says what it looks like.
    ///
    /// # Errors
    /// As for [`Self::push`]; also where there is no row.
    pub fn finish(mut self) -> Result<Proposal, TableError> {
        if let Some(opening) = self.opening.take() {
            self.open(&opening)?;
        }
        self.read(b"\n")?;
        if self.line_len > 0 || self.fields > 0 {
            return Err(fault(self.row(), "opens a quote that is never closed"));
        }
        let columns = match self.columns {
            None => return Err(fault(0, "the file is empty: it needs a header and rows")),
            Some(_) if self.rows == 0 => return Err(fault(0, "the header is not followed by any row")),
            Some(columns) => columns,
        };
        let (mut declared, mut notes) = (Vec::new(), BTreeMap::new());
        for (name, guess) in columns {
            let (mut column, said) = guess.column(self.rows);
            column.insert("name".into(), json!(name));
            declared.push(Value::Object(column));
            if !said.is_empty() {
                notes.insert(name, said);
            }
        }
        let schema = Value::Object(Map::from_iter([("columns".to_owned(), Value::Array(declared))]));
        let complete = Declaration::from_json(&schema).is_ok_and(|declaration| {
            declaration.schema.columns().iter().all(|column| match &column.domain {
                Domain::Categories(names) => !names.is_empty(),
                Domain::Grid(_) => true,
            })
        });
        Ok(Proposal { schema, notes, rows: self.rows, complete })
    }

    fn open(&mut self, opening: &[u8]) -> Result<(), TableError> {
        if let Some(reason) = opening.get(..BOM.len()).and_then(not_text) {
            return Err(fault(0, reason));
        }
        self.read(opening.strip_prefix(BOM).unwrap_or(opening))
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), TableError> {
        use csv_core::ReadRecordResult as Read;
        while !bytes.is_empty() {
            let (result, taken, written, ended) =
                self.csv.read_record(bytes, &mut self.line[self.line_len..], &mut self.ends[self.fields..]);
            self.line_len += written;
            self.fields += ended;
            bytes = &bytes[taken..];
            match result {
                Read::InputEmpty | Read::End => {}
                Read::OutputFull if self.line.len() >= self.limits.line_bytes => {
                    let reason =
                        format!("is longer than {} bytes; perhaps a quote was opened and not closed", self.line.len());
                    return Err(fault(self.row(), reason));
                }
                Read::OutputFull => self.line.resize((self.line.len() * 2).min(self.limits.line_bytes), 0),
                Read::OutputEndsFull => {
                    return Err(fault(self.row(), format!("has more than {} fields", self.limits.fields)));
                }
                Read::Record => {
                    self.line_done()?;
                    (self.line_len, self.fields) = (0, 0);
                }
            }
        }
        Ok(())
    }

    /// The row under way; 0 is the header.
    fn row(&self) -> u64 {
        if self.columns.is_some() { self.rows + 1 } else { 0 }
    }

    fn line_done(&mut self) -> Result<(), TableError> {
        let mut start = 0;
        let ends = &self.ends[..self.fields];
        let mut cells = ends.iter().map(|&end| &self.line[std::mem::replace(&mut start, end)..end]);
        let Some(columns) = &mut self.columns else {
            self.columns = Some(header(cells)?);
            return Ok(());
        };
        self.rows += 1;
        if self.fields != columns.len() {
            let reason = format!("has {} fields, but the header has {}", self.fields, columns.len());
            return Err(fault(self.rows, reason));
        }
        if self.rows > self.limits.rows {
            return Err(fault(self.rows, format!("more than {} rows", self.limits.rows)));
        }
        for (name, guess) in columns {
            let Ok(cell) = std::str::from_utf8(cells.next().unwrap_or_default()) else {
                return Err(TableError {
                    problems: vec![TableProblem::of_cell(self.rows, name, NOT_UTF8)],
                    stopped: true,
                });
            };
            guess.look(cell.trim());
        }
        Ok(())
    }
}

/// The columns of a header, of which nothing is known yet. A header that is none may be somebody's data: no message holds
/// any of it.
fn header<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(String, Guess)>, TableError> {
    let mut columns: Vec<(String, Guess)> = Vec::new();
    for (i, field) in fields.enumerate() {
        let place = format!("field {} of the header", i + 1);
        let Ok(name) = std::str::from_utf8(field).map(str::trim) else {
            return Err(fault(0, format!("{place} {NOT_UTF8}")));
        };
        if name.is_empty() || name.contains('\0') || name.len() > super::MAX_NAME {
            return Err(fault(
                0,
                format!("{place} is no name: every column needs one, of at most {} bytes", super::MAX_NAME),
            ));
        }
        if let Some(before) = columns.iter().position(|(other, _)| other == name) {
            return Err(fault(0, format!("{place} is the same name as field {}: rename one of them", before + 1)));
        }
        columns.push((name.to_owned(), Guess::default()));
    }
    let delimiter = |line: &str| DELIMITERS.into_iter().find(|(delimiter, _)| line.contains(*delimiter));
    match &*columns {
        [(line, _)] if let Some((_, word)) = delimiter(line) => {
            Err(fault(0, format!("the columns are separated by {word}: separate them by commas")))
        }
        _ => Ok(columns),
    }
}

fn fault(row: u64, reason: impl Into<String>) -> TableError {
    TableError { problems: vec![TableProblem::of_row(row, reason)], stopped: true }
}
