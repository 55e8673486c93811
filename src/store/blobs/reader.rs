//! Reading a blob piece by piece, against the digest in its name.

use std::fs::File;
use std::io::{self, BufReader, Read};

use sha2::{Digest, Sha256};

use super::bucket::Pieces;
use super::name;
use super::place::Place;

/// Bytes that are read from a file at a time.
const BUFFER: usize = 1 << 18;

/// A blob that is read piece by piece. Its end is an error when the content was not what the name says.
pub struct BlobReader {
    source: Source,
    digest: Sha256,
    promised: String,
}

enum Source {
    File(BufReader<File>),
    Object { pieces: Pieces, piece: io::Cursor<Vec<u8>> },
}

impl BlobReader {
    pub(super) fn open(place: &Place, name: &str) -> io::Result<Self> {
        let promised = name::promised(name)?.to_ascii_lowercase();
        let source = match place {
            Place::Folder(folder) => Source::File(BufReader::with_capacity(BUFFER, folder.file(name)?)),
            Place::Bucket(bucket) => Source::Object { pieces: bucket.pieces(name)?, piece: io::Cursor::default() },
        };
        Ok(Self { source, digest: Sha256::new(), promised })
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.source {
            Source::File(file) => file.read(buffer)?,
            Source::Object { pieces, piece } => {
                if piece.position() >= piece.get_ref().len() as u64 {
                    *piece = io::Cursor::new(pieces.next()?);
                }
                piece.read(buffer)?
            }
        };
        self.digest.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && hex::encode(self.digest.clone().finalize()) != self.promised {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a blob is damaged"));
        }
        Ok(read)
    }
}
