//! An upload: perhaps compressed text, in pieces, to rows of codes.

use super::column::Code;
use super::json_reader::LinesReader;
use super::limits::UploadLimits;
use super::problem::UploadError;
use super::reader::{Summary, TableReader};
use super::schema::Schema;
use super::unpacked::Unpacked;

/// How the bytes of a table are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// The way in for a table that is text: unpacks, parses and checks under limits.
pub struct Upload {
    unpacked: Unpacked,
    reader: Reader,
}

enum Reader {
    Csv(Box<TableReader>),
    JsonLines(Box<LinesReader>),
}

impl Upload {
    /// An upload of a CSV for this schema.
    #[must_use]
    pub fn new(schema: &Schema, packing: Packing, limits: UploadLimits) -> Self {
        Self::of(Reader::Csv(Box::new(TableReader::new(schema, limits))), packing, limits)
    }

    /// An upload of JSON Lines for this schema.
    #[must_use]
    pub fn of_json_lines(schema: &Schema, packing: Packing, limits: UploadLimits) -> Self {
        Self::of(Reader::JsonLines(Box::new(LinesReader::new(schema, limits))), packing, limits)
    }

    fn of(reader: Reader, packing: Packing, limits: UploadLimits) -> Self {
        Self { unpacked: Unpacked::new(packing, &limits), reader }
    }

    /// Also reads a column that says whose row it is, and is not in the schema.
    #[must_use]
    pub fn of_persons(mut self, column: &str) -> Self {
        self.reader = match self.reader {
            Reader::Csv(reader) => Reader::Csv(Box::new(reader.of_persons(column))),
            Reader::JsonLines(reader) => Reader::JsonLines(Box::new(reader.of_persons(column))),
        };
        self
    }

    /// Reads the next bytes; `sink` gets every row that they complete, with its person's cell (empty
    /// where there is no such column), and none after a problem.
    ///
    /// # Errors
    /// [`UploadError`] as soon as nothing can mend the upload; it is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), UploadError> {
        self.unpacked.push(bytes, |piece| self.reader.push(piece, sink))
    }

    /// Ends the upload.
    ///
    /// # Errors
    /// [`UploadError`]: the compression's before the table's, which a cut stream would also break.
    pub fn finish(mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<Summary, UploadError> {
        self.unpacked.finish(|piece| self.reader.push(piece, sink))?;
        match self.reader {
            Reader::Csv(reader) => reader.finish(sink).map_err(UploadError::Csv),
            Reader::JsonLines(reader) => reader.finish(sink).map_err(UploadError::JsonLines),
        }
    }

    /// Bytes of the table so far, unpacked.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.unpacked.bytes()
    }
}

impl Reader {
    fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), UploadError> {
        match self {
            Self::Csv(reader) => reader.push(bytes, sink).map_err(UploadError::Csv),
            Self::JsonLines(reader) => reader.push(bytes, sink).map_err(UploadError::JsonLines),
        }
    }
}
