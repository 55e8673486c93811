//! Whose rows: pseudonyms of persons under a key that nobody keeps.
//!
//! Somebody's rows are grouped, and held out, by a keyed digest of the identifier that the custodian
//! gave them. The key is drawn for one upload and forgotten with it, so that what is stored can be
//! linked neither to the identifier nor to another upload. A digest depends on one identifier alone:
//! taking one person's rows away changes nobody else's group and nobody else's coin.

use rand::RngCore;
use sha2::{Digest, Sha256};

use super::noise::{NoiseSource, Purpose};

/// Gives pseudonyms, the same for the same identifier as long as it lives.
pub struct Pseudonyms {
    key: [u8; 32],
}

/// A person of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// 128 bits: among n persons two share them with a probability of about n^2 / 2^129.
    pub pseudonym: [u8; 16],
    /// A uniform number of this person's own, independent of the pseudonym: for choices that concern
    /// all rows of a person.
    pub coin: u64,
}

impl Pseudonyms {
    /// Under a fresh key of `source`.
    #[must_use]
    pub fn new(source: &NoiseSource) -> Self {
        let mut key = [0; 32];
        source.stream(Purpose::Persons, 0).fill_bytes(&mut key);
        Self { key }
    }

    /// The person with this identifier. Identifiers that differ in one byte are different persons.
    #[must_use]
    pub fn of(&self, identifier: &[u8]) -> Person {
        // Parts of the digest are kept, never all of it: a digest cannot be continued to a longer identifier.
        let digest: [u8; 32] = Sha256::new().chain_update(self.key).chain_update(identifier).finalize().into();
        let (mut pseudonym, mut coin) = ([0; 16], [0; 8]);
        pseudonym.copy_from_slice(&digest[..16]);
        coin.copy_from_slice(&digest[16..24]);
        Person { pseudonym, coin: u64::from_le_bytes(coin) }
    }
}
