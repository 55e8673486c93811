//! A file that is read before it is stored, anywhere in it: sealed, without a name, and gone with whoever holds it.
//!
//! Some forms of tables say at their end where everything is. Their bytes have to be somewhere until the end has come: in memory
//! they would be as large as uploads may be. So they go to a file that has no name from its first byte on, in chunks that are
//! sealed as those of blobs are, under a key that is nowhere but in the memory of this process. What a crash leaves is
//! nothing, and what was on the disk is noise.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use uuid::Uuid;

use super::handle::Blobs;
use super::place::Place;
use crate::store::sealed::{CHUNK, Chunks, Secret, TAG};

/// Bytes after which it is asked again whether there is room.
const ASK: u64 = 1 << 22;

/// Bytes that are written once, and then read anywhere.
pub struct Spool {
    blobs: Blobs,
    file: File,
    chunks: Chunks,
    /// The content of one chunk: the last while they are written, any while they are read.
    held: Vec<u8>,
    /// Which one that is, while they are read.
    at: Option<u64>,
    length: u64,
    granted: u64,
    complete: bool,
}

impl Spool {
    pub(super) fn new(blobs: &Blobs) -> io::Result<Self> {
        let file = match &blobs.place {
            Place::Folder(folder) => folder.nameless()?,
            // Sealed bytes may lie anywhere.
            Place::Bucket(_) => super::folder::nameless(&std::env::temp_dir())?,
        };
        let chunks = Chunks::new(&Secret::random()?, Uuid::nil());
        let held = Vec::with_capacity(CHUNK + TAG);
        Ok(Self { blobs: blobs.clone(), file, chunks, held, at: None, length: 0, granted: 0, complete: false })
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// I/O faults, `StorageFull` among them.
    pub fn complete(&mut self) -> io::Result<()> {
        self.seal()?;
        self.complete = true;
        Ok(())
    }

    /// Bytes that were written.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    fn seal(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        // Where a chunk is says which one it is: they are all of one length but the last.
        self.chunks.seal(&mut self.held, false)?;
        self.file.write_all(&self.held)?;
        self.held.clear();
        if self.length - self.granted >= ASK {
            self.blobs.room.check(&self.blobs.place, self.length - self.granted)?;
            self.granted = self.length;
        }
        Ok(())
    }

    /// Reads the bytes from `at` on that fill the buffer.
    ///
    /// # Errors
    /// I/O faults; `UnexpectedEof` beyond the end, `InvalidData` for bytes that are not those that were written.
    pub fn read_at(&mut self, mut at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|&end| end <= self.length && self.complete);
        end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut filled = 0;
        while filled < buffer.len() {
            self.turn(at / CHUNK as u64)?;
            let within = (at % CHUNK as u64) as usize;
            let held = self.held.get(within..).unwrap_or_default();
            let length = held.len().min(buffer.len() - filled);
            buffer[filled..filled + length].copy_from_slice(&held[..length]);
            filled += length;
            at += length as u64;
        }
        Ok(())
    }

    /// Holds a chunk.
    fn turn(&mut self, chunk: u64) -> io::Result<()> {
        if self.at == Some(chunk) {
            return Ok(());
        }
        self.at = None;
        let length = (self.length - chunk * CHUNK as u64).min(CHUNK as u64) as usize + TAG;
        self.held.resize(length, 0);
        self.file.read_exact_at(&mut self.held, chunk * (CHUNK + TAG) as u64)?;
        self.chunks.open_nth(u32::try_from(chunk).map_err(|_| io::ErrorKind::FileTooLarge)?, &mut self.held)?;
        self.at = Some(chunk);
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.complete {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.held.len() == CHUNK {
            self.seal()?;
        }
        let taken = bytes.len().min(CHUNK - self.held.len());
        self.held.extend_from_slice(&bytes[..taken]);
        self.length += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
