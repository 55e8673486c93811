//! The bytes of a text as they come: unpacked, and no more of them than allowed.

use super::inflate::Inflate;
use super::limits::UploadLimits;
use super::problem::UploadError;
use super::unzstd::Unzstd;
use super::upload::Packing;

/// A text under way.
pub struct Unpacked {
    unpacker: Option<Unpacker>,
    bytes: u64,
    limit: u64,
}

enum Unpacker {
    Gzip(Box<Inflate>),
    Zstd(Unzstd),
}

impl Unpacked {
    /// A text that is packed in this way, of at most `limits.table_bytes` once it is unpacked.
    #[must_use]
    pub fn new(packing: Packing, limits: &UploadLimits) -> Self {
        let unpacker = match packing {
            Packing::Plain => None,
            Packing::Gzip => Some(Unpacker::Gzip(Box::new(Inflate::new(limits)))),
            Packing::Zstd => Some(Unpacker::Zstd(Unzstd::new(limits))),
        };
        Self { unpacker, bytes: 0, limit: limits.table_bytes }
    }

    /// Takes the next bytes; `out` gets what they unpack to.
    ///
    /// # Errors
    /// The compression's, [`UploadError::TooLarge`], or the first of `out`.
    pub fn push(&mut self, bytes: &[u8], out: impl FnMut(&[u8]) -> Result<(), UploadError>) -> Result<(), UploadError> {
        let mut out = counted((&mut self.bytes, self.limit), out);
        match &mut self.unpacker {
            None => out(bytes),
            Some(Unpacker::Gzip(gzip)) => gzip.push(bytes, out),
            Some(Unpacker::Zstd(zstd)) => zstd.push(bytes, out),
        }
    }

    /// Ends the text.
    ///
    /// # Errors
    /// As [`Unpacked::push`]; a stream that was cut.
    pub fn finish(mut self, out: impl FnMut(&[u8]) -> Result<(), UploadError>) -> Result<(), UploadError> {
        match self.unpacker.take() {
            None => Ok(()),
            Some(Unpacker::Gzip(gzip)) => gzip.finish(counted((&mut self.bytes, self.limit), out)),
            Some(Unpacker::Zstd(zstd)) => Ok(zstd.finish()?),
        }
    }

    /// Bytes so far, unpacked.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Passes pieces on until there are too many bytes.
fn counted(
    (bytes, limit): (&mut u64, u64),
    mut out: impl FnMut(&[u8]) -> Result<(), UploadError>,
) -> impl FnMut(&[u8]) -> Result<(), UploadError> {
    move |piece| {
        *bytes += piece.len() as u64;
        if *bytes > limit { Err(UploadError::TooLarge { limit }) } else { out(piece) }
    }
}
