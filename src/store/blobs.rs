//! Blobs: files named by the SHA-256 of their content, in a local folder.
//!
//! A blob appears under its name only when it is complete and on disk: it is written to a
//! temporary file, synced, renamed, and the folder synced. What a row of the database points to
//! therefore always exists whole. Blocking: call from a blocking thread.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::engine::{KEPT_KEY_BYTES, is_kept_key};

/// A folder of blobs.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
}

/// A blob that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name: SHA-256 in hex.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Blobs {
    /// Opens a folder, making it if needed, readable by its owner alone. Clears away what killed
    /// processes left half-written; files in the making of living ones are locked, and stay.
    ///
    /// # Errors
    /// I/O faults.
    pub fn open(root: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root.join("tmp"))?;
        for entry in fs::read_dir(root.join("tmp"))? {
            let path = entry?.path();
            // Its writer may publish or drop it meanwhile: then there is nothing to clear.
            if let Ok(file) = File::open(&path)
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(Self { root: root.to_path_buf() })
    }

    /// Begins a blob. Dropped unpublished, it leaves nothing.
    ///
    /// # Errors
    /// I/O faults.
    pub fn create(&self) -> io::Result<BlobWriter> {
        use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
        let (temporary, file) = loop {
            let temporary = self.root.join("tmp").join(Uuid::now_v7().simple().to_string());
            let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            // The lock goes with the process. Where the file system has none, nothing is cleared either.
            let _ = file.lock();
            // A process that opened the folder before the lock was held has cleared this one away.
            if file.metadata()?.nlink() > 0 {
                break (temporary, file);
            }
        };
        Ok(BlobWriter {
            root: self.root.clone(),
            temporary,
            file: BufWriter::with_capacity(1 << 18, file),
            digest: Sha256::new(),
            bytes: 0,
        })
    }

    /// Stores bytes that are at hand.
    ///
    /// # Errors
    /// I/O faults.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Stored> {
        let mut writer = self.create()?;
        writer.write_all(bytes)?;
        writer.publish()
    }

    /// The content of a blob.
    ///
    /// # Errors
    /// I/O faults; `InvalidData` when the content is not what the name says.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A blob to be read piece by piece; the end is an error when the content was not what the name
    /// says.
    ///
    /// # Errors
    /// I/O faults.
    pub fn reader(&self, name: &str) -> io::Result<BlobReader> {
        let file = BufReader::with_capacity(1 << 18, File::open(self.path(name)?)?);
        Ok(BlobReader { file, digest: Sha256::new(), name: name.to_owned() })
    }

    /// Removes a blob that nothing points to any more; one that is gone already is fine.
    ///
    /// # Errors
    /// I/O faults.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes keys of measurements that a crash left behind: blobs that are one, have been there for so long, and are
    /// not among `named`. Whatever is no key stays, named or not. Returns how many there were.
    ///
    /// # Errors
    /// I/O faults.
    pub fn sweep_keys(&self, named: &[String], age: Duration) -> io::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let (about, name) = (entry.metadata()?, entry.file_name().to_string_lossy().into_owned());
            let old = about.modified()?.elapsed().is_ok_and(|there| there >= age);
            if about.len() as usize != KEPT_KEY_BYTES || !old || named.contains(&name) {
                continue;
            }
            if self.read(&name).is_ok_and(|bytes| is_kept_key(&bytes)) {
                self.remove(&name)?;
                swept += 1;
            }
        }
        File::open(&self.root)?.sync_all()?;
        Ok(swept)
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        if name.len() != 64 || !name.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a blob"));
        }
        Ok(self.root.join(name))
    }
}

/// A blob that is read piece by piece.
pub struct BlobReader {
    file: BufReader<File>,
    digest: Sha256,
    name: String,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.digest.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && hex::encode(self.digest.clone().finalize()) != self.name {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a blob is damaged"));
        }
        Ok(read)
    }
}

/// A blob in the making.
pub struct BlobWriter {
    root: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl BlobWriter {
    /// Completes the blob: synced, then visible under its name.
    ///
    /// # Errors
    /// I/O faults; then nothing is visible.
    pub fn publish(mut self) -> io::Result<Stored> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let name = hex::encode(self.digest.finalize_reset());
        fs::rename(&self.temporary, self.root.join(&name))?;
        File::open(&self.root)?.sync_all()?;
        Ok(Stored { name, bytes: self.bytes })
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a publication the temporary name is gone, and this finds nothing.
        let _ = fs::remove_file(&self.temporary);
    }
}
