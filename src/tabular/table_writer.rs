//! Codes to a table in one of its forms, piece by piece.

use std::io;

use super::column::Code;
use super::export::CsvText;
use super::json_lines::json_lines;
use super::parquet::ParquetWriter;
use super::schema::Schema;
use super::table::Table;

/// A form of tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// RFC 4180, with a header.
    #[default]
    Csv,
    /// A JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
}

/// Writes a table of which not all rows need be in memory at once.
pub struct TableWriter<'a> {
    schema: &'a Schema,
    /// Whether texts are as they were declared, also those that a spreadsheet would take for formulas. In forms that no
    /// spreadsheet reads they always are.
    raw: bool,
    state: State,
}

enum State {
    /// Whether the header was given.
    Csv(bool),
    JsonLines,
    Parquet(Box<ParquetWriter>, Vec<u8>),
}

impl<'a> TableWriter<'a> {
    /// Begins a table. `raw` is of a CSV: texts as they were declared.
    #[must_use]
    pub fn new(schema: &'a Schema, form: Form, raw: bool) -> Self {
        let state = match form {
            Form::Csv => State::Csv(false),
            Form::JsonLines => State::JsonLines,
            Form::Parquet => {
                let mut begun = Vec::new();
                State::Parquet(Box::new(ParquetWriter::new(schema.clone(), &mut begun)), begun)
            }
        };
        Self { schema, raw, state }
    }

    /// The next bytes, those of these rows among them, unless their form gathers rows.
    ///
    /// # Errors
    /// Those of the compression within a Parquet file.
    pub fn push(&mut self, rows: &Table) -> io::Result<Vec<u8>> {
        match &mut self.state {
            State::Csv(begun) => {
                let continued = std::mem::replace(begun, true);
                let text = if continued {
                    CsvText::continued(self.schema, rows)
                } else {
                    CsvText::new(self.schema, rows, None)
                };
                Ok(text.raw(self.raw).collect::<String>().into_bytes())
            }
            State::JsonLines => Ok(json_lines(self.schema, rows).collect::<String>().into_bytes()),
            State::Parquet(writer, out) => {
                rows.iter().try_for_each(|row: &[Code]| writer.push(row, out))?;
                Ok(std::mem::take(out))
            }
        }
    }

    /// Ends the table; gives its last bytes.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        match self.state {
            // A table without rows has a header all the same.
            State::Csv(false) => self.push(&Table::new(self.schema.width(), Vec::new())),
            State::Csv(true) | State::JsonLines => Ok(Vec::new()),
            State::Parquet(writer, mut out) => {
                writer.finish(&mut out)?;
                Ok(out)
            }
        }
    }
}
