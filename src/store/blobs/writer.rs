//! Writing a blob piece by piece: its content is sealed before a byte of it leaves the memory.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::bucket::Parts;
use super::folder::Making;
use super::handle::Blobs;
use super::name;
use super::place::Place;
use crate::store::sealed::{Blob, CHUNK, Chunks, HEAD, Secret, TAG, wrap};

/// Bytes after which it is asked again whether there is room.
const ASK: u64 = 1 << 18;

/// A blob that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What a row is to point to, key and all.
    pub blob: Blob,
    /// The size of its content in bytes.
    pub bytes: u64,
}

/// A blob in the making. Dropped unpublished, it leaves nothing.
pub struct BlobWriter {
    blobs: Blobs,
    /// None after a fault: what was lost of it cannot be made good by going on.
    sink: Option<Sink>,
    key: Secret,
    chunks: Chunks,
    /// Content that is not sealed yet: a chunk at most.
    held: Vec<u8>,
    /// Of what is stored, not of the content.
    digest: Sha256,
    /// Bytes of content.
    content: u64,
    /// Bytes that were passed on to be stored.
    stored: u64,
    /// Bytes for which there was room.
    granted: u64,
}

enum Sink {
    File(Making),
    Object(Parts),
}

impl BlobWriter {
    /// A blob that takes so many bytes, or more.
    pub(super) fn new(blobs: &Blobs, bytes: u64) -> io::Result<Self> {
        blobs.room.check(&blobs.place, bytes)?;
        let sink = match &blobs.place {
            Place::Folder(folder) => Sink::File(folder.begin()?),
            Place::Bucket(bucket) => Sink::Object(bucket.begin()),
        };
        let key = Secret::random()?;
        let mut new = Self {
            blobs: blobs.clone(),
            sink: Some(sink),
            chunks: Chunks::new(&key, blobs.owner),
            key,
            held: Vec::with_capacity(CHUNK + TAG),
            digest: Sha256::new(),
            content: 0,
            stored: 0,
            granted: 0,
        };
        new.pass(HEAD)?;
        Ok(new)
    }

    /// Passes sealed bytes on.
    fn pass(&mut self, sealed: &[u8]) -> io::Result<()> {
        let mut sink = self.sink.take().ok_or(io::ErrorKind::BrokenPipe)?;
        match &mut sink {
            Sink::File(making) => making.write_all(sealed)?,
            Sink::Object(parts) => parts.write(sealed)?,
        }
        self.digest.update(sealed);
        self.stored += sealed.len() as u64;
        if self.stored - self.granted >= ASK {
            self.ask()?;
        }
        self.sink = Some(sink);
        Ok(())
    }

    /// Seals what is held, and passes it on.
    fn seal(&mut self, last: bool) -> io::Result<()> {
        let mut chunk = std::mem::take(&mut self.held);
        self.chunks.seal(&mut chunk, last)?;
        self.pass(&chunk)?;
        chunk.clear();
        self.held = chunk;
        Ok(())
    }

    /// Asks for room for what was written since the last time.
    fn ask(&mut self) -> io::Result<()> {
        let coming = self.stored - self.granted;
        self.blobs.room.check(&self.blobs.place, coming)?;
        self.blobs.room.making(coming);
        self.granted = self.stored;
        Ok(())
    }

    /// Completes the blob: on disk, then visible under its name. Nobody can open it before its key is kept, with the row
    /// that names it.
    ///
    /// # Errors
    /// I/O faults, `StorageFull` and `QuotaExceeded` among them; then nothing is visible.
    pub fn publish(mut self) -> io::Result<Stored> {
        self.seal(true)?;
        self.ask()?;
        let (name, owner) = (name::fresh(&self.digest.finalize_reset()), self.blobs.owner);
        let key = Some(wrap(&self.blobs.keys, &self.key, (owner, &name))?);
        match self.sink.take() {
            Some(Sink::File(making)) => making.publish(&name)?,
            Some(Sink::Object(parts)) => parts.publish(&name)?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        self.blobs.room.made(std::mem::take(&mut self.granted), true);
        Ok(Stored { blob: Blob { name, owner, key }, bytes: self.content })
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk waits for more, since the last one is sealed as the last.
        if self.held.len() == CHUNK && !bytes.is_empty() {
            self.seal(false)?;
        }
        if self.sink.is_none() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(CHUNK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        self.content += taken as u64;
        Ok(taken)
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
