//! Writing a blob piece by piece.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::bucket::Parts;
use super::folder::Making;
use super::handle::Blobs;
use super::name;
use super::place::Place;

/// Bytes after which it is asked again whether there is room.
const ASK: u64 = 1 << 18;

/// A blob that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name: SHA-256 in hex, and a number of its own.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A blob in the making. Dropped unpublished, it leaves nothing.
pub struct BlobWriter {
    blobs: Blobs,
    sink: Option<Sink>,
    digest: Sha256,
    bytes: u64,
    /// Bytes for which there was room.
    granted: u64,
}

enum Sink {
    File(Making),
    Object(Parts),
}

impl BlobWriter {
    /// A blob of so many bytes, or more.
    pub(super) fn new(blobs: &Blobs, bytes: u64) -> io::Result<Self> {
        blobs.room.check(&blobs.place, bytes)?;
        let sink = match &blobs.place {
            Place::Folder(folder) => Sink::File(folder.begin()?),
            Place::Bucket(bucket) => Sink::Object(bucket.begin()),
        };
        Ok(Self { blobs: blobs.clone(), sink: Some(sink), digest: Sha256::new(), bytes: 0, granted: 0 })
    }

    /// Asks for room for what was written since the last time.
    fn ask(&mut self) -> io::Result<()> {
        let coming = self.bytes - self.granted;
        self.blobs.room.check(&self.blobs.place, coming)?;
        self.blobs.room.making(coming);
        self.granted = self.bytes;
        Ok(())
    }

    /// Completes the blob: on disk, then visible under its name.
    ///
    /// # Errors
    /// I/O faults, `StorageFull` and `QuotaExceeded` among them; then nothing is visible.
    pub fn publish(mut self) -> io::Result<Stored> {
        self.ask()?;
        let name = name::fresh(&self.digest.finalize_reset());
        match self.sink.take() {
            Some(Sink::File(making)) => making.publish(&name)?,
            Some(Sink::Object(parts)) => parts.publish(&name)?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        self.blobs.room.made(std::mem::take(&mut self.granted), true);
        Ok(Stored { name, bytes: self.bytes })
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.sink {
            Some(Sink::File(making)) => making.write(bytes)?,
            Some(Sink::Object(parts)) => parts.write(bytes).map(|()| bytes.len())?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        if self.bytes - self.granted >= ASK {
            self.ask()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Some(Sink::File(making)) => making.flush(),
            // A part goes when it is full.
            _ => Ok(()),
        }
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        self.blobs.room.made(self.granted, false);
    }
}
