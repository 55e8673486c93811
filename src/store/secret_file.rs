//! Small files with secrets: readable by their owner alone, and whole or not there.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whether everybody on the machine can read a file.
pub(super) fn is_everybodys(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o007 != 0)
}

/// Writes a file that is not there yet; says whether it was this call that wrote it.
pub(super) fn write_new(path: &Path, content: &[u8]) -> io::Result<bool> {
    let new = written_beside(path, content)?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        linked => linked.and_then(|()| sync_folder(path)).map(|()| true),
    }
}

/// Writes a file in the place of another one, which is lost.
pub(super) fn write_over(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::rename(written_beside(path, content)?, path).and_then(|()| sync_folder(path))
}

/// A new file beside another one, synced.
fn written_beside(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", uuid::Uuid::now_v7().simple()));
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(new)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
