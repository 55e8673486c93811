//! Codes to CSV, in chunks. RFC 4180 with `\n` at the end of lines; the reader reads it back to the
//! same codes.
//!
//! Text that a spreadsheet would take for a formula gets an apostrophe, unless the raw form is asked for. The reader
//! knows both forms of what was declared.

use std::borrow::{Borrow, Cow};

use super::column::Domain;
use super::schema::Schema;
use super::spreadsheet::guarded;
use super::table::Table;

/// A chunk is given out once it is this long.
const CHUNK: usize = 64 * 1024;

/// The text of a table: an iterator of chunks, each of whole lines, the header first.
///
/// Generic in how schema and table are held: `&T` for a moment, `Arc<T>` for a response that
/// outlives the call.
pub struct CsvText<S, T> {
    schema: S,
    table: T,
    rows: usize,
    next: usize,
    header_given: bool,
    raw: bool,
}

impl<S: Borrow<Schema>, T: Borrow<Table>> CsvText<S, T> {
    /// The first `rows` rows of a table (all without), whose codes are of the schema.
    pub fn new(schema: S, table: T, rows: Option<usize>) -> Self {
        let rows = rows.unwrap_or(usize::MAX).min(table.borrow().rows());
        Self { schema, table, rows, next: 0, header_given: false, raw: false }
    }

    /// Texts as they were declared, also those that a spreadsheet would take for formulas.
    #[must_use]
    pub fn raw(self, raw: bool) -> Self {
        Self { raw, ..self }
    }

    /// Rows that follow others: no header.
    pub fn continued(schema: S, table: T) -> Self {
        Self { header_given: true, ..Self::new(schema, table, None) }
    }
}

impl<S: Borrow<Schema>, T: Borrow<Table>> Iterator for CsvText<S, T> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.header_given && self.next >= self.rows {
            return None;
        }
        let columns = self.schema.borrow().columns();
        let (mut chunk, mut cell) = (String::with_capacity(CHUNK + 1024), String::new());
        if !self.header_given {
            self.header_given = true;
            line(&mut chunk, columns, |column, chunk| text(&column.name, self.raw, chunk));
        }
        while self.next < self.rows && chunk.len() < CHUNK {
            let mut codes = self.table.borrow().row(self.next).iter();
            line(&mut chunk, columns, |column, chunk| {
                cell.clear();
                column.write(codes.next().copied().unwrap_or(super::MISSING), &mut cell);
                match column.domain {
                    Domain::Categories(_) => text(&cell, self.raw, chunk),
                    // Numbers and dates are what they are.
                    Domain::Grid(_) => chunk.push_str(&cell),
                }
            });
            self.next += 1;
        }
        Some(chunk)
    }
}

/// Appends one field for each column, with commas between and a line end.
fn line(out: &mut String, columns: &[super::Column], mut write: impl FnMut(&super::Column, &mut String)) {
    let start = out.len();
    for (j, column) in columns.iter().enumerate() {
        if j > 0 {
            out.push(',');
        }
        write(column, out);
    }
    if out.len() == start {
        // One empty field: without quotes this would be a blank line.
        out.push_str("\"\"");
    }
    out.push('\n');
}

/// Appends a text, quoted where it must be; a byte order mark too, which a reader would drop at the beginning of a file.
fn text(text: &str, raw: bool, out: &mut String) {
    let written = if raw { Cow::Borrowed(text) } else { guarded(text) };
    let must = |c: char| matches!(c, '"' | ',' | '\n' | '\r' | '\u{feff}') || !raw && matches!(c, ';' | '\t');
    if !written.contains(must) {
        out.push_str(&written);
        return;
    }
    out.push('"');
    out.push_str(&written.replace('"', "\"\""));
    out.push('"');
}
