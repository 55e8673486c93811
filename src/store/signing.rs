//! The key that certificates are signed with: a file of its own, neither in the database nor among the blobs, so that a
//! copy of neither can sign.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;

use super::secret_file::{is_everybodys, write_new, write_over};
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
    let fault = |e| SigningKeyError::Io(path.into(), e);
    match fs::read_to_string(path) {
        Ok(text) => {
            if is_everybodys(path).map_err(fault)? {
                return Err(SigningKeyError::Open(path.into()));
            }
            SigningKey::from_pem(&text).map_err(|bad| SigningKeyError::Bad(path.into(), bad))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = random().map_err(fault)?;
            // Not over a key that another server has made meanwhile.
            let made = write_new(path, key.to_pem().as_bytes()).map_err(fault)?;
            if made { Ok(key) } else { signing_key(path) }
        }
        Err(error) => Err(fault(error)),
    }
}

/// Puts a new key in the place of the one in this file, which is lost.
///
/// # Errors
/// [`SigningKeyError`].
pub fn renew_signing_key(path: &Path) -> Result<SigningKey, SigningKeyError> {
    let fault = |e| SigningKeyError::Io(path.into(), e);
    let key = random().map_err(fault)?;
    write_over(path, key.to_pem().as_bytes()).map_err(fault)?;
    Ok(key)
}

fn random() -> io::Result<SigningKey> {
    let mut seed = [0; 32];
    OsRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    Ok(SigningKey::from_seed(&seed))
}
