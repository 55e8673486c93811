//! CSV to codes, in one pass over whatever pieces the bytes come in.
//!
//! RFC 4180 with leave for `\n`, blank lines, a UTF-8 byte order mark, and quotes within text that has none around it.
//! Blank lines are skipped, in a table of one column too: there a missing cell is written `""`.

use std::ops::Range;

use super::cell::{CellReader, NOT_UTF8};
use super::column::Code;
use super::header;
use super::limits::UploadLimits;
use super::problem::{CsvError, CsvProblem};
use super::quotes::Quotes;
use super::schema::Schema;

const BOM: &[u8] = b"\xef\xbb\xbf";
const BEHIND_A_QUOTE: &str = "has text behind a closing quote: write a quote that is part of the text twice";

/// A parser that is fed with bytes and gives rows of codes to a sink, each with the cell that says
/// whose row it is, where there is such a column.
///
/// Its memory is bounded by the limits on a line and on fields, whatever it is fed. It emits no row
/// after its first problem; the caller discards the rows before it.
pub struct TableReader {
    columns: Vec<CellReader>,
    /// The column that says whose row it is; it comes after those of the schema.
    person: Option<String>,
    limits: UploadLimits,
    csv: csv_core::Reader,
    quotes: Quotes,
    /// Whether the header has text behind a closing quote.
    loose: bool,
    /// The first bytes, until there are enough to know a byte order mark.
    opening: Option<Vec<u8>>,
    /// The line under way, without delimiters and quotes, and the end of each of its fields.
    line: Vec<u8>,
    line_len: usize,
    ends: Vec<usize>,
    fields: usize,
    /// The column of each field; `None` until the header was read.
    order: Option<Vec<usize>>,
    row: Vec<Code>,
    rows: u64,
    problems: Vec<CsvProblem>,
}

/// A table that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows below the header.
    pub rows: u64,
}

impl TableReader {
    /// A reader of tables of this schema.
    #[must_use]
    pub fn new(schema: &Schema, limits: UploadLimits) -> Self {
        let mut csv = csv_core::Reader::new();
        // A blank line keeps csv-core from looking for a byte order mark, which it misses when the
        // mark comes in two pieces: that is done here.
        let _ = csv.read_record(b"\n", &mut [0; 1], &mut [0; 1]);
        Self {
            columns: schema.columns().iter().map(CellReader::new).collect(),
            person: None,
            limits,
            csv,
            quotes: Quotes::new(),
            loose: false,
            opening: Some(Vec::with_capacity(BOM.len())),
            line: vec![0; limits.line_bytes.clamp(1, 4096)],
            line_len: 0,
            ends: vec![0; limits.fields.max(schema.width()) + 1],
            fields: 0,
            order: None,
            row: vec![0; schema.width()],
            rows: 0,
            problems: Vec::new(),
        }
    }

    /// Also reads a column that says whose row it is, and is not in the schema.
    #[must_use]
    pub fn of_persons(mut self, column: &str) -> Self {
        self.person = Some(column.to_owned());
        self.ends.push(0);
        self
    }

    /// Reads the next bytes and gives every row that they complete to `sink`, in schema order, with the
    /// text of its person's cell, blanks around it removed, or with nothing where there is none.
    ///
    /// # Errors
    /// [`CsvError`] as soon as reading stops: too many problems, or one that leaves no sense in
    /// going on. The reader is of no use afterwards. Fewer problems wait for [`Self::finish`].
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), CsvError> {
        let Some(mut opening) = self.opening.take() else { return self.read(bytes, sink) };
        let (head, rest) = bytes.split_at(bytes.len().min(BOM.len() - opening.len()));
        opening.extend_from_slice(head);
        if opening.len() < BOM.len() {
            self.opening = Some(opening);
            return Ok(());
        }
        self.open(&opening, sink)?;
        self.read(rest, sink)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// [`CsvError`] with every problem, among them a quote left open and a table without rows.
    pub fn finish(mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<Summary, CsvError> {
        if let Some(opening) = self.opening.take() {
            self.open(&opening, sink)?;
        }
        // A last line end completes a row that has none, and is text inside an open quote.
        loop {
            let (taken, written) = self.step(b"\n", sink)?;
            if written > 0 {
                return Err(self.stop("opens a quote that is never closed"));
            }
            if taken > 0 {
                break;
            }
        }
        if self.order.is_none() && self.problems.is_empty() {
            self.problems.push(CsvProblem::of_row(0, "the file is empty: it needs a header and rows"));
        } else if self.rows == 0 && self.problems.is_empty() {
            self.problems.push(CsvProblem::of_row(0, "the header is not followed by any row"));
        }
        if self.problems.is_empty() { Ok(Summary { rows: self.rows }) } else { Err(self.refusal(false)) }
    }

    /// Bytes that the reader holds, for the test that this is bounded.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.line.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    fn open(&mut self, opening: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), CsvError> {
        if let Some(reason) = not_text(opening) {
            self.problems.push(CsvProblem::of_row(0, reason));
            return Err(self.refusal(true));
        }
        self.read(opening.strip_prefix(BOM).unwrap_or(opening), sink)
    }

    fn read(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), CsvError> {
        while !bytes.is_empty() {
            let (taken, _) = self.step(bytes, sink)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Reads to the end of a line or of the bytes; gives how many were taken and how many of them
    /// were text of the line that is still open.
    fn step(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(usize, usize), CsvError> {
        use csv_core::ReadRecordResult as Read;
        let (result, taken, written, ended) =
            self.csv.read_record(bytes, &mut self.line[self.line_len..], &mut self.ends[self.fields..]);
        self.line_len += written;
        self.fields += ended;
        if let Some(before) = self.quotes.look(&bytes[..taken]) {
            // A header may say that the whole table is in another dialect, which is better to know.
            if self.order.is_some() {
                self.fields = before;
                return Err(self.stop(BEHIND_A_QUOTE));
            }
            self.loose = true;
        }
        match result {
            Read::InputEmpty | Read::End => {}
            Read::OutputFull => self.lengthen()?,
            Read::OutputEndsFull => {
                let most = self.ends.len() - 1;
                return Err(self.stop(&format!("has more than {most} fields")));
            }
            Read::Record => {
                self.line_done(sink)?;
                (self.line_len, self.fields) = (0, 0);
            }
        }
        Ok((taken, written))
    }

    fn lengthen(&mut self) -> Result<(), CsvError> {
        let most = self.limits.line_bytes;
        if self.line.len() >= most {
            return Err(self.stop(&format!("is longer than {most} bytes; perhaps a quote was opened and not closed")));
        }
        self.line.resize((self.line.len() * 2).min(most), 0);
        Ok(())
    }

    fn line_done(&mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), CsvError> {
        let Some(order) = self.order.take() else { return self.header_done() };
        self.rows += 1;
        if self.rows > self.limits.rows {
            let reason = format!("more than {} rows", self.limits.rows);
            self.problems.push(CsvProblem::of_row(self.rows, reason));
            return Err(self.refusal(true));
        }
        let mut person = 0..0;
        if self.fields == order.len() {
            person = self.cells(&order);
        } else {
            let line = &self.line[..self.line_len];
            let hint = header::other_delimiter(line, order.len()).map(|word| format!("; they are separated by {word}"));
            let (fields, columns, hint) = (self.fields, order.len(), hint.unwrap_or_default());
            let reason = format!("has {fields} fields, but {columns} columns are declared{hint}");
            self.problems.push(CsvProblem::of_row(self.rows, reason));
        }
        self.order = Some(order);
        if self.problems.is_empty() {
            sink(&self.row, self.line[person].trim_ascii());
        }
        if self.problems.len() >= self.limits.problems { Err(self.refusal(true)) } else { Ok(()) }
    }

    /// Codes of the line's fields into `row`, problems into `problems`; gives the place of the
    /// person's cell.
    fn cells(&mut self, order: &[usize]) -> Range<usize> {
        let (mut start, mut person) = (0, 0..0);
        for (&end, &j) in self.ends.iter().zip(order) {
            let (place, column) = (start..end, self.columns.get(j));
            let cell = &self.line[place.clone()];
            start = end;
            let fault = match column {
                _ if cell.len() > self.limits.cell_bytes => {
                    Err(format!("is longer than {} bytes", self.limits.cell_bytes))
                }
                Some(column) => column.code(cell).map(|code| self.row[j] = code).map_err(|fault| column.reason(fault)),
                None => match no_person(cell) {
                    Some(reason) => Err(reason.to_owned()),
                    None => {
                        person = place;
                        Ok(())
                    }
                },
            };
            if let Err(reason) = fault {
                let problem = CsvProblem::of_cell(self.rows, self.name_of(j), reason);
                self.problems.push(problem);
                if self.problems.len() >= self.limits.problems {
                    break;
                }
            }
        }
        person
    }

    /// The name of a column of the schema, or of the person's, which comes after them.
    fn name_of(&self, j: usize) -> &str {
        self.columns.get(j).map_or(self.person.as_deref().unwrap_or_default(), |column| &column.name)
    }

    fn header_done(&mut self) -> Result<(), CsvError> {
        let mut start = 0;
        let ends = &self.ends[..self.fields];
        let fields: Vec<&[u8]> = ends.iter().map(|&end| &self.line[std::mem::replace(&mut start, end)..end]).collect();
        let mut names: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        names.extend(self.person.as_deref());
        match header::order(&fields, &names) {
            Ok(_) if self.loose => Err(self.stop(BEHIND_A_QUOTE)),
            Ok(order) => {
                self.order = Some(order);
                Ok(())
            }
            Err(problems) => {
                self.problems = problems;
                Err(self.refusal(true))
            }
        }
    }

    /// A problem of the line under way that leaves no sense in reading on.
    fn stop(&mut self, reason: &str) -> CsvError {
        let row = if self.order.is_some() { self.rows + 1 } else { 0 };
        let column = self.order.as_ref().and_then(|order| order.get(self.fields)).map(|&j| self.name_of(j).to_owned());
        self.problems.push(CsvProblem { row, column, reason: reason.to_owned() });
        self.refusal(true)
    }

    fn refusal(&mut self, stopped: bool) -> CsvError {
        let mut problems = std::mem::take(&mut self.problems);
        problems.truncate(self.limits.problems);
        CsvError { problems, stopped }
    }
}

/// Why a cell does not say whose row it is.
fn no_person(cell: &[u8]) -> Option<&'static str> {
    match cell {
        _ if cell.trim_ascii().is_empty() => Some("is empty: say of every row whose it is"),
        _ if cell.contains(&0) => Some("holds a NUL byte"),
        _ if std::str::from_utf8(cell).is_err() => Some(NOT_UTF8),
        _ => None,
    }
}

/// What a file is that begins like no table in UTF-8.
pub(super) fn not_text(opening: &[u8]) -> Option<&'static str> {
    match opening {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=255, 0, 1..=255] | [0, 1..=255, 0] => {
            Some("the file is UTF-16: save the table as UTF-8")
        }
        [0x1f, 0x8b, ..] => Some("the file is gzip: send it with Content-Encoding: gzip"),
        [b'P', b'K', 3, ..] => Some("the file is a zip archive or a spreadsheet: export the table as CSV"),
        _ => None,
    }
}
