//! Bytes to compressed ones, in pieces.

use std::io::{self, Write};

use super::upload::Packing;

/// How well tables are packed: quickly.
const GZIP: flate2::Compression = flate2::Compression::new(6);
const ZSTD: i32 = 3;

/// Packs what it is given, piece by piece, and holds one window.
pub enum Packer {
    /// As they are.
    Plain,
    /// By gzip.
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    /// By zstd.
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Packer {
    /// A packer.
    ///
    /// # Errors
    /// Those of the compression.
    pub fn new(packing: Packing) -> io::Result<Self> {
        Ok(match packing {
            Packing::Plain => Self::Plain,
            Packing::Gzip => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), GZIP)),
            Packing::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD)?;
                encoder.include_checksum(true)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Takes the next bytes; gives what is packed of them and of those before, perhaps nothing.
    ///
    /// # Errors
    /// Those of the compression.
    pub fn push(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(bytes),
            Self::Gzip(encoder) => {
                encoder.write_all(&bytes)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                encoder.write_all(&bytes)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    /// Ends the stream; gives its last bytes.
    ///
    /// # Errors
    /// Those of the compression.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}
