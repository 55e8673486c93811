//! A file that is there whole, or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::unistd::{AccessFlags, access};

use super::failure::Failure;

/// What is written beside its place until all of it has come; gone if it never does.
pub struct Part {
    file: File,
    beside: PathBuf,
    place: PathBuf,
    force: bool,
    done: bool,
}

/// Whether a file may be written there: not over another one, unless it is forced, and in a folder that takes it.
pub fn free(place: &Path, force: bool) -> Result<(), Failure> {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    access(folder, AccessFlags::W_OK | AccessFlags::X_OK)
        .with_context(|| format!("cannot write in {}", folder.display()))?;
    if !force && place.symlink_metadata().is_ok() {
        return Err(Failure::Other(anyhow::anyhow!("{} is there already: --force replaces it", place.display())));
    }
    Ok(())
}

impl Part {
    /// A file for `place`. What is `private` is readable by nobody else.
    pub fn create(place: &Path, force: bool, private: bool) -> Result<Self, Failure> {
        free(place, force)?;
        let name = place.file_name().with_context(|| format!("{} is not the name of a file", place.display()))?;
        let beside = place.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let mode = if private { 0o600 } else { 0o666 };
        let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
        let file = made.with_context(|| format!("cannot write beside {}", place.display()))?;
        Ok(Self { file, beside, place: place.to_owned(), force, done: false })
    }

    /// Puts it in its place.
    pub fn finish(mut self) -> Result<(), Failure> {
        free(&self.place, self.force)?;
        let kept = self.file.sync_all().and_then(|()| std::fs::rename(&self.beside, &self.place));
        kept.with_context(|| self.place.display().to_string())?;
        self.done = true;
        Ok(())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}
