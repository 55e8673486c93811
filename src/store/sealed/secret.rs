//! Secret keys in memory: wiped when they are dropped, and never printed.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const SECRET: usize = 32;
/// Digits of the name of a key.
const NAME: usize = 16;

/// A key of 32 bytes.
pub struct Secret(Zeroizing<[u8; SECRET]>);

impl Secret {
    /// A new one from the operating system.
    ///
    /// # Errors
    /// When that has no randomness.
    pub fn random() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        OsRng.try_fill_bytes(&mut *bytes).map_err(io::Error::other)?;
        Ok(Self(bytes))
    }

    /// The one that these bytes are, if their number is right.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut own = Zeroizing::new([0; SECRET]);
        (bytes.len() == SECRET).then(|| own.copy_from_slice(bytes))?;
        Some(Self(own))
    }

    /// The one that is written in base64.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        // One byte more than a key has, so that a longer one is noticed.
        let mut bytes = Zeroizing::new([0; SECRET + 4]);
        let length = STANDARD.decode_slice(text, &mut *bytes).ok()?;
        Self::from_bytes(&bytes[..length])
    }

    /// Itself in base64.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// Itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8; SECRET] {
        &self.0
    }

    /// A name that tells it from others and says nothing else: 16 digits of a digest.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = Sha256::new().chain_update(b"dp2stage storage key\0").chain_update(self.0.as_slice()).finalize();
        hex::encode(digest)[..NAME].to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
