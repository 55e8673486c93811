//! CSV to codes, in one pass over whatever pieces the bytes come in.
//!
//! RFC 4180 with leave for `\n`, blank lines, a UTF-8 byte order mark, and quotes within text that has none around it.
//! Blank lines are skipped, in a table of one column too: there a missing cell is written `""`.

use std::ops::Range;

use super::column::Code;
use super::header;
use super::judge::Judge;
use super::limits::UploadLimits;
use super::problem::{TableError, TableProblem};
use super::quotes::Quotes;
use super::schema::Schema;

pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";
const BEHIND_A_QUOTE: &str = "has text behind a closing quote: write a quote that is part of the text twice";

/// A parser that is fed with bytes and gives rows of codes to a sink, each with the cell that says
/// whose row it is, where there is such a column.
///
/// Its memory is bounded by the limits on a line and on fields, whatever it is fed. It emits no row
/// after its first problem; the caller discards the rows before it.
pub struct TableReader {
    judge: Judge,
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
            judge: Judge::new(schema, limits),
            csv,
            quotes: Quotes::new(),
            loose: false,
            opening: Some(Vec::with_capacity(BOM.len())),
            line: vec![0; limits.line_bytes.clamp(1, 4096)],
            line_len: 0,
            ends: vec![0; limits.fields.max(schema.width()) + 1],
            fields: 0,
            order: None,
        }
    }

    /// Also reads a column that says whose row it is, and is not in the schema.
    #[must_use]
    pub fn of_persons(mut self, column: &str) -> Self {
        self.judge.of_persons(column);
        self.ends.push(0);
        self
    }

    /// Reads the next bytes and gives every row that they complete to `sink`, in schema order, with the
    /// text of its person's cell, blanks around it removed, or with nothing where there is none.
    ///
    /// # Errors
    /// [`TableError`] as soon as reading stops: too many problems, or one that leaves no sense in
    /// going on. The reader is of no use afterwards. Fewer problems wait for [`Self::finish`].
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
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
    /// [`TableError`] with every problem, among them a quote left open and a table without rows.
    pub fn finish(mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<Summary, TableError> {
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
        let nothing = match self.order {
            None => "the file is empty: it needs a header and rows",
            Some(_) => "the header is not followed by any row",
        };
        self.judge.finish(nothing)
    }

    /// Bytes that the reader holds, for the test that this is bounded.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.line.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    fn open(&mut self, opening: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
        if let Some(reason) = not_text(opening) {
            return Err(self.judge.stop(TableProblem::of_row(0, reason)));
        }
        self.read(opening.strip_prefix(BOM).unwrap_or(opening), sink)
    }

    fn read(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
        while !bytes.is_empty() {
            let (taken, _) = self.step(bytes, sink)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Reads to the end of a line or of the bytes; gives how many were taken and how many of them
    /// were text of the line that is still open.
    fn step(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(usize, usize), TableError> {
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

    fn lengthen(&mut self) -> Result<(), TableError> {
        let most = self.judge.limits().line_bytes;
        if self.line.len() >= most {
            return Err(self.stop(&format!("is longer than {most} bytes; perhaps a quote was opened and not closed")));
        }
        self.line.resize((self.line.len() * 2).min(most), 0);
        Ok(())
    }

    fn line_done(&mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
        let Some(order) = self.order.take() else { return self.header_done() };
        self.judge.begin_row()?;
        let mut person = 0..0;
        if self.fields == order.len() {
            person = self.cells(&order);
        } else {
            let line = &self.line[..self.line_len];
            let hint = header::other_delimiter(line, order.len()).map(|word| format!("; they are separated by {word}"));
            let (fields, columns, hint) = (self.fields, order.len(), hint.unwrap_or_default());
            self.judge.row_problem(format!("has {fields} fields, but {columns} columns are declared{hint}"));
        }
        self.order = Some(order);
        self.judge.end_row(&self.line[person], sink)
    }

    /// Judges the line's fields; gives the place of the person's cell.
    fn cells(&mut self, order: &[usize]) -> Range<usize> {
        let (mut start, mut person) = (0, 0..0);
        for (&end, &j) in self.ends.iter().zip(order) {
            let place = std::mem::replace(&mut start, end)..end;
            if !self.judge.cell(j, &self.line[place.clone()]) {
                break;
            }
            if j == self.judge.person() {
                person = place;
            }
        }
        person
    }

    fn header_done(&mut self) -> Result<(), TableError> {
        let mut start = 0;
        let ends = &self.ends[..self.fields];
        let fields: Vec<&[u8]> = ends.iter().map(|&end| &self.line[std::mem::replace(&mut start, end)..end]).collect();
        match header::order(&fields, &self.judge.names()) {
            Ok(_) if self.loose => Err(self.stop(BEHIND_A_QUOTE)),
            Ok(order) => {
                self.order = Some(order);
                Ok(())
            }
            Err(problems) => Err(self.judge.stop_for(problems)),
        }
    }

    /// A problem of the line under way that leaves no sense in reading on.
    fn stop(&mut self, reason: &str) -> TableError {
        let row = if self.order.is_some() { self.judge.rows() + 1 } else { 0 };
        let column = self.order.as_ref().and_then(|order| order.get(self.fields));
        let column = column.map(|&j| self.judge.name_of(j).to_owned());
        self.judge.stop(TableProblem { row, column, reason: reason.to_owned() })
    }
}

/// What a file is that begins like no table in UTF-8.
pub(super) fn not_text(opening: &[u8]) -> Option<&'static str> {
    match opening {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=255, 0, 1..=255] | [0, 1..=255, 0] => {
            Some("the file is UTF-16: save the table as UTF-8")
        }
        [b'P', b'A', b'R'] => Some("the file is Parquet: send it with Content-Type: application/vnd.apache.parquet"),
        [0x28, 0xb5, 0x2f] => Some("the file is zstd: send it with Content-Encoding: zstd"),
        [0x1f, 0x8b, ..] => Some("the file is gzip: send it with Content-Encoding: gzip"),
        [b'P', b'K', 3, ..] => Some("the file is a zip archive or a spreadsheet: export the table as CSV"),
        _ => None,
    }
}
