//! Reading a blob piece by piece, against the digest in its name and the tags of its chunks.

use std::fs::File;
use std::io::{self, BufReader, Read};

use sha2::{Digest, Sha256};

use super::bucket::Pieces;
use super::handle::Blobs;
use super::name;
use super::place::Place;
use crate::store::sealed::{Blob, Chunks, HEAD, Opener, damaged, unwrap};

/// Bytes that are read from a file at a time.
const BUFFER: usize = 1 << 18;

/// A blob that is read piece by piece. Nothing is handed out of a chunk that is not as it was sealed, and the end is an
/// error when what is stored is not what the name says.
pub struct BlobReader(Body);

enum Body {
    Plain(io::Chain<io::Cursor<Vec<u8>>, Stored>),
    Sealed(Opener<Stored>),
}

impl BlobReader {
    pub(super) fn open(blobs: &Blobs, blob: &Blob) -> io::Result<Self> {
        let mut stored = Stored::open(&blobs.place, &blob.name)?;
        let mut head = Vec::with_capacity(HEAD.len());
        stored.by_ref().take(HEAD.len() as u64).read_to_end(&mut head)?;
        let body = match (&blob.key, head == HEAD) {
            (Some(key), true) => {
                let key = unwrap(&blobs.keys, key, (blob.owner, &blob.name))?;
                Body::Sealed(Opener::new(stored, Chunks::new(&key, blob.owner)))
            }
            (Some(_), false) => return Err(damaged()),
            (None, true) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the key of a blob was destroyed, or never kept",
                ));
            }
            (None, false) => Body::Plain(io::Cursor::new(head).chain(stored)),
        };
        Ok(Self(body))
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Body::Plain(plain) => plain.read(buffer),
            Body::Sealed(sealed) => sealed.read(buffer),
        }
    }
}

/// What lies in the storage. Its end is an error when it was not what the name says.
pub(super) struct Stored {
    source: Source,
    digest: Sha256,
    promised: String,
}

enum Source {
    File(BufReader<File>),
    Object { pieces: Pieces, piece: io::Cursor<Vec<u8>> },
}

impl Stored {
    pub fn open(place: &Place, name: &str) -> io::Result<Self> {
        let promised = name::promised(name)?.to_ascii_lowercase();
        let source = match place {
            Place::Folder(folder) => Source::File(BufReader::with_capacity(BUFFER, folder.file(name)?)),
            Place::Bucket(bucket) => Source::Object { pieces: bucket.pieces(name)?, piece: io::Cursor::default() },
        };
        Ok(Self { source, digest: Sha256::new(), promised })
    }
}

impl Read for Stored {
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
            return Err(damaged());
        }
        Ok(read)
    }
}
