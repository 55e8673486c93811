//! A file on its way: it grows under `.part`, one process at a time, and gets its name when it is complete,
//! on disk, and the right one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// How often it is looked whether another process has let go.
const LOOK: Duration = Duration::from_millis(200);

/// What has come so far. Whatever happens, it stays for the next attempt unless it is discarded.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    digest: Sha256,
    bytes: u64,
}

impl Part {
    /// Opens what an earlier attempt left, or nothing; waits while another process is at it.
    pub async fn open(path: PathBuf) -> io::Result<Self> {
        loop {
            let file = Self::options().open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
            // The other process may have completed or discarded it meanwhile: then this file has not the name any more.
            if is_at(&file, &path)? {
                let part = Self { path, file, digest: Sha256::new(), bytes: 0 };
                return tokio::task::spawn_blocking(|| part.reread()).await.map_err(io::Error::other)?;
            }
        }
    }

    fn options() -> fs::OpenOptions {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options
    }

    fn reread(mut self) -> io::Result<Self> {
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                return Ok(self);
            }
            self.digest.update(&buffer[..read]);
            self.bytes += read as u64;
        }
    }

    /// How many bytes have come.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of what has come.
    pub fn digest(&self) -> Digest {
        Digest::from(self.digest.clone().finalize().0)
    }

    /// Adds what comes next.
    pub fn push(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.digest.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// Begins again from nothing.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.digest = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    /// Gives the file its name, once it is on disk.
    pub fn complete(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        if let Some(folder) = target.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes it.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    match fs::metadata(path) {
        Ok(named) => {
            let held = file.metadata()?;
            Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
