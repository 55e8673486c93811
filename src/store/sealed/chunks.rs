//! Chunks: how the content of a blob is sealed.

use std::io;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use uuid::Uuid;

use super::secret::Secret;

/// Bytes of content in a chunk; the last chunk may have fewer.
pub const CHUNK: usize = 1 << 16;
/// Bytes that sealing adds to a chunk.
pub const TAG: usize = 16;
/// What a sealed blob begins with: what it is, and the version of the form.
pub const HEAD: &[u8; 16] = b"dp2stage sealed\x01";

/// Bytes of the sealed form of so many bytes of content.
#[must_use]
pub fn sealed_length(content: u64) -> u64 {
    let chunks = content.div_ceil(CHUNK as u64).max(1);
    content.saturating_add(chunks * TAG as u64).saturating_add(HEAD.len() as u64)
}

/// The chunks of one blob, in their order.
///
/// The key is used for one blob and never again, so nonces may count: 19 zero bytes, the number of the chunk, and
/// whether it is the last. A chunk in another's place, and an end where none was, meet the wrong nonce.
pub struct Chunks {
    cipher: XChaCha20Poly1305,
    about: [u8; 32],
    number: u32,
}

impl Chunks {
    /// The first chunk of a blob that belongs to `owner`.
    #[must_use]
    pub fn new(key: &Secret, owner: Uuid) -> Self {
        let mut about = [0; 32];
        about[..16].copy_from_slice(HEAD);
        about[16..].copy_from_slice(owner.as_bytes());
        Self { cipher: XChaCha20Poly1305::new(key.bytes().into()), about, number: 0 }
    }

    /// Seals the next chunk where it is, and appends its tag.
    ///
    /// # Errors
    /// More chunks than numbers.
    pub fn seal(&mut self, chunk: &mut Vec<u8>, last: bool) -> io::Result<()> {
        let nonce = self.nonce(last)?;
        let tag = self.cipher.encrypt_inout_detached(&nonce, &self.about, chunk.as_mut_slice().into());
        chunk.extend_from_slice(&tag.map_err(|_| io::ErrorKind::FileTooLarge)?);
        Ok(())
    }

    /// Opens the next chunk where it is, and takes its tag off.
    ///
    /// # Errors
    /// `InvalidData` for whatever is not the chunk that was sealed here.
    pub fn open(&mut self, chunk: &mut Vec<u8>, last: bool) -> io::Result<()> {
        let nonce = self.nonce(last)?;
        let length = chunk.len().checked_sub(TAG).ok_or_else(damaged)?;
        let (content, tag) = chunk.split_at_mut(length);
        let tag = Tag::try_from(&*tag).map_err(|_| damaged())?;
        self.cipher.decrypt_inout_detached(&nonce, &self.about, content.into(), &tag).map_err(|_| damaged())?;
        chunk.truncate(length);
        Ok(())
    }

    /// Opens a chunk where it is that was sealed as this one, not as the last, and takes its tag off.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_nth(&mut self, number: u32, chunk: &mut Vec<u8>) -> io::Result<()> {
        self.number = number;
        self.open(chunk, false)
    }

    fn nonce(&mut self, last: bool) -> io::Result<XNonce> {
        let mut nonce = [0; 24];
        nonce[19..23].copy_from_slice(&self.number.to_be_bytes());
        nonce[23] = u8::from(last);
        self.number = self.number.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(nonce.into())
    }
}

/// What is said of content that is not what was stored.
pub fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a blob is damaged")
}
