//! A vault whose checkpoints tell how far the buying of figures has come.

use super::checkpoint::BadCheckpoint;
use super::frame::{framed, unframed};
use super::ports::{Halt, Vault};
use super::run::EngineError;

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing was drawn.
    #[default]
    None,
    /// Noise may have been drawn, with this key.
    Begun(Subject, [u8; 32]),
    /// There are figures, JSON.
    Bought(Subject, Vec<u8>),
}

/// The synthetic rows that figures are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// The key that they were drawn with. It tells nothing: drawing is post-processing.
    pub key: [u8; 32],
    /// Their digest.
    pub digest: [u8; 32],
}

/// A checkpoint that is marked begins with one of these letters, which no other does.
const BEGUN: u8 = b'R';
const BOUGHT: u8 = b'B';

/// A vault that puts the mark before every checkpoint, and takes it off.
pub(super) struct Marked<'a> {
    vault: &'a dyn Vault,
    mark: Mark,
}

impl<'a> Marked<'a> {
    /// Reads the mark.
    ///
    /// # Errors
    /// The vault's; [`EngineError::Checkpoint`] for one that is cut short.
    pub fn open(vault: &'a dyn Vault) -> Result<Self, EngineError> {
        let mark = match vault.load()? {
            Some(bytes) if is_marked(&bytes) => read(&bytes).ok_or(BadCheckpoint)?.0,
            _ => Mark::None,
        };
        Ok(Self { vault, mark })
    }

    /// The mark.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Changes the mark, and leaves the checkpoint as it is.
    ///
    /// # Errors
    /// The vault's; the mark may have been changed then.
    pub fn set(&mut self, mark: Mark) -> Result<(), Halt> {
        let checkpoint = self.load()?.unwrap_or_default();
        self.mark = mark;
        self.save(&checkpoint)
    }
}

impl Vault for Marked<'_> {
    fn save(&self, checkpoint: &[u8]) -> Result<(), Halt> {
        match marked(&self.mark) {
            None => self.vault.save(checkpoint),
            Some((letter, content)) => self.vault.save(&framed(letter, &content, checkpoint)),
        }
    }

    fn load(&self) -> Result<Option<Vec<u8>>, Halt> {
        let Some(bytes) = self.vault.load()? else { return Ok(None) };
        if !is_marked(&bytes) {
            return Ok(Some(bytes));
        }
        Ok(read(&bytes).map(|(_, rest)| rest.to_vec()).filter(|rest| !rest.is_empty()))
    }
}

fn is_marked(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(&BEGUN | &BOUGHT))
}

/// The letter of a mark, and its content: the key of the rows, their digest, and the rest.
fn marked(mark: &Mark) -> Option<(u8, Vec<u8>)> {
    let (letter, subject, rest): (u8, &Subject, &[u8]) = match mark {
        Mark::None => return None,
        Mark::Begun(subject, key) => (BEGUN, subject, key),
        Mark::Bought(subject, figures) => (BOUGHT, subject, figures),
    };
    Some((letter, [&subject.key, &subject.digest, rest].concat()))
}

fn read(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    let (letter, content, checkpoint) = unframed(bytes)?;
    let (key, content) = content.split_first_chunk::<32>()?;
    let (digest, content) = content.split_first_chunk::<32>()?;
    let subject = Subject { key: *key, digest: *digest };
    let mark = match letter {
        BEGUN => Mark::Begun(subject, content.try_into().ok()?),
        _ => Mark::Bought(subject, content.to_vec()),
    };
    Some((mark, checkpoint))
}
