//! An upload: perhaps compressed bytes, in pieces, to rows of codes.

use super::column::Code;
use super::inflate::Inflate;
use super::limits::UploadLimits;
use super::problem::UploadError;
use super::reader::{Summary, TableReader};
use super::schema::Schema;

/// How the bytes of a table are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Plain,
    /// gzip.
    Gzip,
}

/// The way in for a table: unpacks, parses and checks under limits.
pub struct Upload {
    inflate: Option<Inflate>,
    table: Table,
}

/// The part behind the unpacker.
struct Table {
    reader: TableReader,
    bytes: u64,
    limit: u64,
}

impl Upload {
    /// An upload for this schema.
    #[must_use]
    pub fn new(schema: &Schema, packing: Packing, limits: UploadLimits) -> Self {
        let inflate = (packing == Packing::Gzip).then(|| Inflate::new(&limits));
        let reader = TableReader::new(schema, limits);
        Self { inflate, table: Table { reader, bytes: 0, limit: limits.table_bytes } }
    }

    /// Also reads a column that says whose row it is, and is not in the schema.
    #[must_use]
    pub fn of_persons(mut self, column: &str) -> Self {
        self.table.reader = self.table.reader.of_persons(column);
        self
    }

    /// Reads the next bytes; `sink` gets every row that they complete, with its person's cell (empty
    /// where there is no such column), and none after a problem.
    ///
    /// # Errors
    /// [`UploadError`] as soon as nothing can mend the upload; it is of no use afterwards.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), UploadError> {
        match &mut self.inflate {
            None => self.table.push(bytes, sink),
            Some(inflate) => inflate.push(bytes, |piece| self.table.push(piece, sink)),
        }
    }

    /// Ends the upload.
    ///
    /// # Errors
    /// [`UploadError`]: the compression's before the table's, which a cut stream would also break.
    pub fn finish(mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<Summary, UploadError> {
        if let Some(inflate) = self.inflate.take() {
            inflate.finish(|piece| self.table.push(piece, sink))?;
        }
        Ok(self.table.reader.finish(sink)?)
    }

    /// Bytes of the table so far, unpacked.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.table.bytes
    }
}

impl Table {
    fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), UploadError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limit {
            return Err(UploadError::TooLarge { limit: self.limit });
        }
        Ok(self.reader.push(bytes, sink)?)
    }
}
