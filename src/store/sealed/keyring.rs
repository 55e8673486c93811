//! The storage keys, which wrap the keys of blobs: in a file, or handed over as text.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::secret::Secret;
use crate::store::secret_file::{is_everybodys, write_new, write_over};

/// What a file of storage keys begins with when it is made here.
const PREFACE: &str = "\
# The storage keys of dp2stage: 32 bytes in base64, one a line. The first one wraps what is new, the others open what is
# old. Without them uploads and results are lost. Keep a copy, and not beside those of the database and the storage.
";

/// Where the storage keys are.
#[derive(Clone)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// In the settings.
    Text(Zeroizing<String>),
}

/// Why there is no storage key.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Everybody on the machine can read it.
    #[error(
        "{0} can be read by everybody on this machine: chmod 600, then `dp2stage key rotate-storage` if others are there"
    )]
    Open(PathBuf),
    /// There is text that is none.
    #[error(
        "{0} does not hold storage keys: each is 32 bytes in base64 (openssl rand -base64 32), and the first wraps what is new"
    )]
    Bad(String),
    /// Blobs are sealed under a key that is not at hand.
    #[error(
        "the storage key {0} is not at hand: put it back into the file of storage keys, or into DP2STAGE__STORAGE__KEY; \
         without it what is sealed under it is lost"
    )]
    Missing(String),
    /// The installation has keys, and this process has none of them.
    #[error(
        "this installation has storage keys ({known}), and none of them is {at}: bring the file of storage keys here from \
         where the first server was started, or hand the keys over in DP2STAGE__STORAGE__KEY"
    )]
    Foreign {
        /// Names of the keys that are known.
        known: String,
        /// Where keys were looked for.
        at: String,
    },
    /// Keys that came as text cannot be changed here.
    #[error("the storage keys come from the settings: put a new one before the others there, then `--re-wrap`")]
    Fixed,
    /// What runs may still wrap under old keys.
    #[error("{0} jobs run that began before the newest storage key; old keys are dropped when they have ended")]
    InUse(i64),
}

/// The storage keys; cheap to clone. Keys in a file are read again when it has changed.
#[derive(Clone)]
pub struct Keyring(Arc<Ring>);

struct Ring {
    file: Option<PathBuf>,
    held: Mutex<Held>,
}

struct Held {
    /// Never empty.
    keys: Vec<Arc<Secret>>,
    newest: Arc<Secret>,
    stamp: Option<Stamp>,
}

/// What tells that a file has changed.
type Stamp = (u64, i64, i64, u64);

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.names()).finish()
    }
}

impl Keyring {
    /// The keys of a source that has some.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn of(source: &KeySource) -> Result<Self, KeyringError> {
        let (file, held) = match source {
            KeySource::File(path) => (Some(path.clone()), read(path)?),
            KeySource::Text(text) => {
                let (newest, keys) = parse(text).ok_or_else(|| KeyringError::Bad("storage.key".into()))?;
                (None, Held { keys, newest, stamp: None })
            }
        };
        Ok(Self(Arc::new(Ring { file, held: Mutex::new(held) })))
    }

    /// The keys of a source, of which a file is made with one key where there is none.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn of_or_new(source: &KeySource) -> Result<Self, KeyringError> {
        if let KeySource::File(path) = source
            && !path.exists()
        {
            let fault = |e| KeyringError::Io(path.clone(), e);
            let key = Arc::new(Secret::random().map_err(fault)?);
            // Not over a key that another server has made meanwhile.
            write_new(path, text_of(&[key]).as_bytes()).map_err(fault)?;
        }
        Self::of(source)
    }

    /// The key that wraps what is new.
    #[must_use]
    pub fn newest(&self) -> Arc<Secret> {
        let mut held = self.held();
        self.renew(&mut held);
        held.newest.clone()
    }

    /// The key of this name.
    ///
    /// # Errors
    /// [`KeyringError::Missing`].
    pub fn named(&self, name: &str) -> Result<Arc<Secret>, KeyringError> {
        let mut held = self.held();
        let find = |held: &Held| held.keys.iter().find(|key| key.name() == name).cloned();
        if let Some(key) = find(&held) {
            return Ok(key);
        }
        self.renew(&mut held);
        find(&held).ok_or_else(|| KeyringError::Missing(name.to_owned()))
    }

    /// The names of all keys, the newest first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.held().keys.iter().map(|key| key.name()).collect()
    }

    /// Puts a new key before the others.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn add(&self, key: Secret) -> Result<(), KeyringError> {
        self.change(|keys| keys.insert(0, Arc::new(key)))
    }

    /// Drops all keys but the newest.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn drop_old(&self) -> Result<(), KeyringError> {
        self.change(|keys| keys.truncate(1))
    }

    /// Writes the file anew. One process at a time: a key that another one has just added must not be lost.
    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Secret>>)) -> Result<(), KeyringError> {
        let path = self.0.file.as_ref().ok_or(KeyringError::Fixed)?;
        let fault = |e| KeyringError::Io(path.clone(), e);
        let folder = File::open(path.parent().unwrap_or(Path::new("."))).map_err(fault)?;
        folder.lock().map_err(fault)?;
        let mut keys = read(path)?.keys;
        change(&mut keys);
        write_over(path, text_of(&keys).as_bytes()).map_err(fault)?;
        *self.held() = read(path)?;
        Ok(())
    }

    /// Reads a file that has changed. One that cannot be read is no reason to stop now: the next start says so.
    fn renew(&self, held: &mut Held) {
        if let Some(path) = &self.0.file
            && let Ok(stamp) = stamp(path)
            && Some(stamp) != held.stamp
            && let Ok(new) = read(path)
        {
            *held = new;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // It is replaced as a whole or not at all.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let about = fs::metadata(path)?;
    Ok((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
}

fn read(path: &Path) -> Result<Held, KeyringError> {
    let fault = |e| KeyringError::Io(path.to_owned(), e);
    // Before the content: what changes in between is read again.
    let stamp = stamp(path).map_err(fault)?;
    if is_everybodys(path).map_err(fault)? {
        return Err(KeyringError::Open(path.to_owned()));
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(fault)?);
    let (newest, keys) = parse(&text).ok_or_else(|| KeyringError::Bad(path.display().to_string()))?;
    Ok(Held { keys, newest, stamp: Some(stamp) })
}

/// The keys in a text and the first of them; none when there is none, or when something else is there.
fn parse(text: &str) -> Option<(Arc<Secret>, Vec<Arc<Secret>>)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(|line| line.split([' ', '\t', ',']).filter(|word| !word.is_empty()));
    let keys: Vec<_> = words.map(|word| Secret::from_base64(word).map(Arc::new)).collect::<Option<_>>()?;
    Some((keys.first()?.clone(), keys))
}

fn text_of(keys: &[Arc<Secret>]) -> Zeroizing<String> {
    // Room for all of it: a text that moves as it grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(PREFACE.len() + 80 * keys.len()));
    text.push_str(PREFACE);
    for key in keys {
        // Its name is for people, who find it in messages and in the database.
        for part in ["# ", &key.name(), "\n", &key.to_base64(), "\n"] {
            text.push_str(part);
        }
    }
    text
}
