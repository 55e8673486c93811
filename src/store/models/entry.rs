//! One declared model: its files on this machine, each where it is the right one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::declaration::{Declaration, Source};
use super::error::ModelsError;
use super::files::{self, MERGES, PICKLE, TOKENIZER, VOCABULARY, WEIGHTS, most_bytes};
use super::hub::Hub;
use super::shelf::Shelf;
use crate::model::{Digest, WeightsError};

/// Whether a file is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// With the digest that was declared.
    Here,
    /// In a folder that was declared, without a digest.
    Trusted,
    /// Another one than was declared.
    Wrong,
    /// Nowhere.
    Missing,
    /// No digest is declared, so it will not be loaded.
    Unpinned,
}

/// A file as it stands on this machine.
#[derive(Clone, Debug)]
pub struct ListedFile {
    /// Its name.
    pub name: &'static str,
    /// Whether it is here.
    pub standing: Standing,
    /// Its size; 0 where it is not here.
    pub bytes: u64,
}

/// A declared model.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    pub source: Source,
    /// The folder in which its files lie, or may be put by hand.
    pub folder: PathBuf,
    declaration: Declaration,
}

impl Entry {
    /// Checks a declaration; models of repositories lie below `root`.
    pub fn new(root: &Path, name: &str, declaration: &Declaration) -> Result<Self, ModelsError> {
        let source = declaration.source(name)?;
        let folder = match &source {
            Source::Folder(folder) => folder.clone(),
            Source::Repository { revision, .. } => root.join(name).join(revision),
        };
        Ok(Self { name: name.to_owned(), source, folder, declaration: declaration.clone() })
    }

    /// The digest that is declared for a file.
    pub fn pinned(&self, file: &str) -> Option<Digest> {
        self.declaration.files.get(file).copied()
    }

    /// The files that it is read from.
    pub fn wanted(&self) -> &'static [&'static str] {
        match self.source {
            Source::Folder(_) if self.pinned(TOKENIZER).is_none() => {
                let has = |file| self.folder.join(file).exists();
                files::wanted(has(TOKENIZER) || !(has(VOCABULARY) && has(MERGES)))
            }
            _ => self.declaration.wanted(),
        }
    }

    /// Where a file lies: in the model's own folder, or in the cache of other programs if it is the right
    /// one there.
    pub fn place(&self, hub: &Hub, shelf: &Shelf, file: &'static str) -> Result<PathBuf, ModelsError> {
        let own = self.folder.join(file);
        let (name, folder) = (self.name.clone(), self.folder.clone());
        let Source::Repository { repository, revision } = &self.source else {
            if own.exists() {
                return Ok(own);
            }
            if file == WEIGHTS && folder.join(PICKLE).exists() {
                return Err(ModelsError::Checkpoint { name, source: WeightsError::Pickle.into() });
            }
            return Err(ModelsError::NotInFolder { name, file, folder });
        };
        let Some(wanted) = self.pinned(file) else { return Err(self.unpinned(file)) };
        if own.exists() {
            return Ok(own);
        }
        let cached = hub.cached(repository, revision, file);
        let right = cached.filter(|path| shelf.digest(path).is_ok_and(|found| found == wanted));
        right.ok_or_else(|| ModelsError::NotHere { name, file, folder })
    }

    /// The content of a file, if it is the one that was declared.
    pub fn bytes(&self, hub: &Hub, shelf: &Shelf, file: &'static str) -> Result<Vec<u8>, ModelsError> {
        let path = self.place(hub, shelf, file)?;
        let bytes = read(&path, file)?;
        let Some(wanted) = self.pinned(file) else { return Ok(bytes) };
        let found = Digest::of(&bytes);
        if found == wanted { Ok(bytes) } else { Err(ModelsError::Digest { path, found, wanted }) }
    }

    /// How a file stands on this machine.
    pub fn stands(&self, hub: &Hub, shelf: &Shelf, file: &'static str) -> ListedFile {
        let place = self.place(hub, shelf, file);
        let standing = match (&place, self.pinned(file)) {
            (Err(ModelsError::Unpinned { .. }), _) => Standing::Unpinned,
            (Err(_), _) => Standing::Missing,
            (Ok(_), None) => Standing::Trusted,
            (Ok(path), Some(wanted)) if shelf.digest(path).is_ok_and(|found| found == wanted) => Standing::Here,
            (Ok(_), Some(_)) => Standing::Wrong,
        };
        let bytes = place.ok().and_then(|path| fs::metadata(path).ok()).map_or(0, |meta| meta.len());
        ListedFile { name: file, standing, bytes }
    }

    /// The error for a file without a digest.
    pub fn unpinned(&self, file: &'static str) -> ModelsError {
        ModelsError::Unpinned { name: self.name.clone(), file }
    }
}

/// Reads a file whole, up to the most that one of its kind may have.
fn read(path: &Path, file: &'static str) -> Result<Vec<u8>, ModelsError> {
    let most = most_bytes(file);
    let content = || -> io::Result<Vec<u8>> {
        let opened = File::open(path)?;
        let mut bytes = Vec::with_capacity(opened.metadata()?.len().min(most) as usize);
        opened.take(most + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = content().map_err(ModelsError::io(path))?;
    if bytes.len() as u64 > most { Err(ModelsError::TooLarge { file, most }) } else { Ok(bytes) }
}
