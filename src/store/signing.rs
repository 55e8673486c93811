//! The key that certificates are signed with: a file of its own, neither in the database nor among the blobs, so that a
//! copy of neither can sign.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;

use crate::privacy::{BadKey, SigningKey};

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Everybody on the machine can read it.
    #[error("{0} can be read by everybody on this machine: chmod 600, and replace the key if others are there")]
    Open(PathBuf),
    /// The file holds something else.
    #[error("{0} is {1}")]
    Bad(PathBuf, #[source] BadKey),
}

/// The signing key in this file; makes one where there is none.
///
/// # Errors
/// [`SigningKeyError`].
pub fn signing_key(path: &Path) -> Result<SigningKey, SigningKeyError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path).map_err(|e| SigningKeyError::Io(path.into(), e))?.permissions().mode();
            if mode & 0o007 != 0 {
                return Err(SigningKeyError::Open(path.into()));
            }
            SigningKey::from_pem(&text).map_err(|bad| SigningKeyError::Bad(path.into(), bad))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fault = |e| SigningKeyError::Io(path.into(), e);
            let (key, new) = written_beside(path).map_err(fault)?;
            // Not over a key that another server has made meanwhile.
            let linked = fs::hard_link(&new, path);
            fs::remove_file(&new).map_err(fault)?;
            match linked {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => signing_key(path),
                linked => linked.and_then(|()| sync_folder(path)).map(|()| key).map_err(fault),
            }
        }
        Err(error) => Err(SigningKeyError::Io(path.into(), error)),
    }
}

/// Puts a new key in the place of the one in this file, which is lost.
///
/// # Errors
/// [`SigningKeyError`].
pub fn renew_signing_key(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let fault = |e| SigningKeyError::Io(path.into(), e);
    let (key, new) = written_beside(path).map_err(fault)?;
    fs::rename(&new, path).and_then(|()| sync_folder(path)).map_err(fault)?;
    Ok(key)
}

/// A new key in a file of its own, synced, that its owner alone can read.
fn written_beside(path: &Path) -> io::Result<(SigningKey, PathBuf)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    let key = SigningKey::from_seed(&seed);
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", uuid::Uuid::now_v7().simple()));
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(key.to_pem().as_bytes())?;
    file.sync_all()?;
    Ok((key, new))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
