//! A folder of this machine: readable by its owner alone, and nothing is visible before it is on disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uuid::Uuid;

use super::handle::Seen;

/// Where files are while they are written.
const MAKING: &str = "tmp";
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 18;

/// A folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens a folder, making it if needed, and clears away what killed processes left half-written.
    pub fn open(root: &Path) -> io::Result<Self> {
        let folder = Self { root: root.to_path_buf() };
        make(&folder.root.join(MAKING))?;
        folder.clear()?;
        Ok(folder)
    }

    /// Clears away what killed processes left half-written; files in the making of living ones are locked, and stay.
    /// Returns how many there were.
    pub fn clear(&self) -> io::Result<usize> {
        let mut cleared = 0;
        for entry in fs::read_dir(self.root.join(MAKING))? {
            let path = entry?.path();
            // Its writer may publish or drop it meanwhile: then there is nothing to clear.
            if let Ok(file) = File::open(&path)
                && file.try_lock().is_ok()
            {
                cleared += usize::from(fs::remove_file(&path).is_ok());
            }
        }
        Ok(cleared)
    }

    /// Begins a file.
    pub fn begin(&self) -> io::Result<Making> {
        let (temporary, file) = loop {
            let temporary = self.root.join(MAKING).join(Uuid::now_v7().simple().to_string());
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            // The lock goes with the process. Where the file system has none, nothing is cleared either.
            let _ = file.lock();
            // A process that cleared the folder before the lock was held has cleared this one away.
            if file.metadata()?.nlink() > 0 {
                break (temporary, file);
            }
        };
        Ok(Making { root: self.root.clone(), temporary, file: BufWriter::with_capacity(BUFFER, file) })
    }

    /// A file that has no name.
    pub fn nameless(&self) -> io::Result<File> {
        nameless(&self.root.join(MAKING))
    }

    /// Opens a file.
    pub fn file(&self, path: &str) -> io::Result<File> {
        File::open(self.root.join(path))
    }

    /// Removes a file; one that is gone already is fine.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        match fs::remove_file(self.root.join(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Sees to it that what was removed stays removed.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }

    /// The files below a folder, none where there is no such folder.
    pub fn files(&self, below: &str) -> io::Result<Vec<Seen>> {
        let mut files = Vec::new();
        for entry in self.entries(below)? {
            let entry = entry?;
            // One that was removed meanwhile is not there.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                files.push(Seen { name, bytes: about.len(), modified: about.modified()? });
            }
        }
        Ok(files)
    }

    /// The folders below a folder, none where there is no such folder.
    pub fn folders(&self, below: &str) -> io::Result<Vec<String>> {
        let mut folders = Vec::new();
        for entry in self.entries(below)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(folders)
    }

    fn entries(&self, below: &str) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>> + use<>> {
        match fs::read_dir(self.root.join(below)) {
            Ok(entries) => Ok(Some(entries).into_iter().flatten()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
            Err(error) => Err(error),
        }
    }

    /// Writes a file that is not there yet; says whether it was this call that wrote it.
    pub fn put_new(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        let (at, making) = self.page(path, bytes)?;
        match making.link(&at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            written => written.map(|()| true),
        }
    }

    /// Writes a file in the place of another one, or of none.
    pub fn put_over(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (at, making) = self.page(path, bytes)?;
        making.rename(&at)
    }

    /// A small file in the making, and where it is to be.
    fn page(&self, path: &str, bytes: &[u8]) -> io::Result<(PathBuf, Making)> {
        let at = self.root.join(path);
        if let Some(parent) = at.parent().filter(|parent| !parent.exists()) {
            make(parent)?;
            // The entries of new folders must be on disk too, up to one that was there.
            for folder in parent.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root)) {
                File::open(folder)?.sync_all()?;
            }
        }
        let mut making = self.begin()?;
        making.write_all(bytes)?;
        Ok((at, making))
    }

    /// The content of a small file, if there is one.
    pub fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match self.file(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes that are left on the disk for processes without privileges.
    pub fn free(&self) -> io::Result<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.root)?;
        Ok(disk.blocks_available() * disk.fragment_size())
    }
}

/// A file in a folder that lost its name before anything was written, to be written and read.
pub(super) fn nameless(folder: &Path) -> io::Result<File> {
    let path = folder.join(Uuid::now_v7().simple().to_string());
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    match fs::remove_file(&path) {
        // Whoever clears the folder may have been quicker.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(file),
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync_parent(at: &Path) -> io::Result<()> {
    at.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// A file in the making. Dropped unpublished, it leaves nothing.
pub(super) struct Making {
    root: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
}

impl Making {
    /// Completes the file: on disk, then visible under its name.
    pub fn publish(self, name: &str) -> io::Result<()> {
        let at = self.root.join(name);
        self.rename(&at)
    }

    fn rename(mut self, at: &Path) -> io::Result<()> {
        self.complete()?;
        fs::rename(&self.temporary, at)?;
        sync_parent(at)
    }

    /// The same, unless a file of this name is there.
    fn link(mut self, at: &Path) -> io::Result<()> {
        self.complete()?;
        fs::hard_link(&self.temporary, at)?;
        sync_parent(at)
    }

    fn complete(&mut self) -> io::Result<()> {
        self.file.flush()?;
        // Its age counts from its publication: the last bytes may have been written long before.
        self.file.get_ref().set_modified(SystemTime::now())?;
        self.file.get_ref().sync_all()
    }
}

impl Write for Making {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        // After a publication the temporary name is gone, and this finds nothing.
        let _ = fs::remove_file(&self.temporary);
    }
}
