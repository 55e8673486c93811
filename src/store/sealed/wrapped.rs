//! What a row of the database points to: a blob, and the wrapped key that opens it.

use std::io;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rand::TryRngCore;
use rand::rngs::OsRng;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::chunks::TAG;
use super::keyring::Keyring;
use super::secret::{SECRET, Secret};

const NONCE: usize = 24;
/// Bytes of a wrapped key.
const WRAPPED: usize = NONCE + SECRET + TAG;
/// What a wrapped key is for.
const PURPOSE: &[u8] = b"dp2stage key of a blob\x01";

/// A blob as a row of the database points to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its name in the storage.
    pub name: String,
    /// The dataset whose it is: what it was made for, or from.
    pub owner: Uuid,
    /// What opens it. None on blobs of programs that did not seal yet, and on those whose key was destroyed.
    pub key: Option<WrappedKey>,
}

/// The key of one blob under a storage key. Of no use without that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The name of the storage key.
    pub storage_key: String,
    /// 72 bytes: nonce, key, tag.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// A blob that is not sealed.
    #[must_use]
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), owner: Uuid::nil(), key: None }
    }

    /// A blob that a row of this dataset names, with its row of `blob_keys` if it has one.
    pub(in crate::store) fn of(owner: Uuid, name: String, row: (Option<String>, Option<Vec<u8>>)) -> Self {
        let key = row.0.zip(row.1).map(|(storage_key, bytes)| WrappedKey { storage_key, bytes });
        Self { name, owner, key }
    }
}

/// What a wrapped key is bound to: the blob's owner, and its name, in which there is a digest of what was sealed.
fn about(owner: Uuid, name: &str) -> Vec<u8> {
    [PURPOSE, owner.as_bytes(), name.as_bytes()].concat()
}

/// Wraps the key of a blob under the newest storage key.
///
/// # Errors
/// No randomness.
pub fn wrap(keys: &Keyring, key: &Secret, (owner, name): (Uuid, &str)) -> io::Result<WrappedKey> {
    let newest = keys.newest();
    let mut bytes = vec![0; WRAPPED];
    let (nonce, rest) = bytes.split_at_mut(NONCE);
    let (content, tag) = rest.split_at_mut(SECRET);
    OsRng.try_fill_bytes(nonce).map_err(io::Error::other)?;
    content.copy_from_slice(key.bytes());
    let nonce = XNonce::try_from(&*nonce).map_err(io::Error::other)?;
    let cipher = XChaCha20Poly1305::new(newest.bytes().into());
    let made = cipher.encrypt_inout_detached(&nonce, &about(owner, name), content.into());
    tag.copy_from_slice(&made.map_err(io::Error::other)?);
    Ok(WrappedKey { storage_key: newest.name(), bytes })
}

/// The key of a blob.
///
/// # Errors
/// `InvalidData` when it is the key of another blob or owner, or under another key than it says; `Other` when the
/// storage key is not there.
pub fn unwrap(keys: &Keyring, wrapped: &WrappedKey, (owner, name): (Uuid, &str)) -> io::Result<Secret> {
    let refused = || io::Error::new(io::ErrorKind::InvalidData, "the key of a blob does not fit it");
    let storage_key = keys.named(&wrapped.storage_key).map_err(io::Error::other)?;
    if wrapped.bytes.len() != WRAPPED {
        return Err(refused());
    }
    let (nonce, rest) = wrapped.bytes.split_at(NONCE);
    let (content, tag) = rest.split_at(SECRET);
    let mut key = Zeroizing::new([0; SECRET]);
    key.copy_from_slice(content);
    let nonce = XNonce::try_from(nonce).map_err(io::Error::other)?;
    let tag = Tag::try_from(tag).map_err(io::Error::other)?;
    let cipher = XChaCha20Poly1305::new(storage_key.bytes().into());
    let opened = cipher.decrypt_inout_detached(&nonce, &about(owner, name), key.as_mut_slice().into(), &tag);
    opened.map_err(|_| refused())?;
    Secret::from_bytes(&*key).ok_or_else(refused)
}
