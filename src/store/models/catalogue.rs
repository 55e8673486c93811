//! The ready-made models of an installation.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::declaration::{Declaration, Source};
use super::download::Download;
use super::entry::{Entry, ListedFile, Standing};
use super::error::ModelsError;
use super::files::{CONFIG, MERGES, TOKENIZER, VOCABULARY, WEIGHTS};
use super::hub::Hub;
use super::shelf::Shelf;
use crate::model::{
    CheckpointFiles, Description, Digest, ReadyMade, Tokenizer, TokenizerError, TokenizerFiles, read_config,
};

/// Models by name, and where their files are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Models {
    entries: Arc<BTreeMap<String, Entry>>,
    hub: Hub,
    shelf: Shelf,
}

/// A model as it stands on this machine.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The folder, or the repository and its commit.
    pub source: String,
    /// Where its files lie, or may be put by hand.
    pub folder: PathBuf,
    /// Its files.
    pub files: Vec<ListedFile>,
}

impl Models {
    /// The models that are declared; what is fetched lies below `state`. Nothing is looked for yet.
    ///
    /// # Errors
    /// [`ModelsError::Declaration`].
    pub fn new(state: &Path, declared: &BTreeMap<String, Declaration>, hub: Hub) -> Result<Self, ModelsError> {
        let root = state.join("models");
        let entries = declared.iter().map(|(name, it)| Ok((name.clone(), Entry::new(&root, name, it)?)));
        let entries = entries.collect::<Result<BTreeMap<_, _>, ModelsError>>()?;
        Ok(Self { entries: Arc::new(entries), hub, shelf: Shelf::default() })
    }

    /// All of them, with the files that are here. Blocking: it reads them.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let listed = |entry: &Entry| Listed {
            name: entry.name.clone(),
            source: match &entry.source {
                Source::Folder(folder) => folder.display().to_string(),
                Source::Repository { repository, revision } => format!("{repository}@{revision}"),
            },
            folder: entry.folder.clone(),
            files: entry.wanted().iter().map(|file| entry.stands(&self.hub, &self.shelf, file)).collect(),
        };
        self.entries.values().map(listed).collect()
    }

    /// What a plan must know of a model: its shape, and the digests of its files. Reads `config.json`
    /// alone, and other files only where no digest is declared and they have changed since. Blocking.
    ///
    /// # Errors
    /// [`ModelsError`] when a file is not here, or `config.json` is not the declared one or is of another
    /// architecture.
    pub fn describe(&self, name: &str) -> Result<Description, ModelsError> {
        let entry = self.entry(name)?;
        let mut files = BTreeMap::new();
        for file in entry.wanted() {
            let path = entry.place(&self.hub, &self.shelf, file)?;
            let digest = entry.pinned(file).map_or_else(|| self.shelf.digest(&path), Ok);
            files.insert((*file).to_owned(), digest.map_err(ModelsError::io(&path))?);
        }
        let config = read_config(&entry.bytes(&self.hub, &self.shelf, CONFIG)?)
            .map_err(|source| ModelsError::Checkpoint { name: name.to_owned(), source })?;
        Ok(Description { name: name.to_owned(), config, files })
    }

    /// Reads a model, all of it or nothing. Blocking; holds the weights twice while it reads.
    ///
    /// # Errors
    /// [`ModelsError`] when a file is not here, is another one than was declared, or is no model that can
    /// be trained here.
    pub fn load(&self, name: &str) -> Result<ReadyMade, ModelsError> {
        self.read(name, None)
    }

    /// Reads the model that a plan was made for. Blocking; holds the weights twice while it reads.
    ///
    /// # Errors
    /// As [`Models::load`]; [`ModelsError::Changed`] when it is another one by now.
    pub fn load_described(&self, description: &Description) -> Result<ReadyMade, ModelsError> {
        self.read(&description.name, Some(&description.files))
    }

    /// Reads the tokenizer of a model that was described, and nothing else. Blocking.
    ///
    /// # Errors
    /// As [`Models::load_described`].
    pub fn tokenizer(&self, description: &Description) -> Result<Tokenizer, ModelsError> {
        let name = &description.name;
        let contents = self.contents(name, Some(&description.files), |file| file != WEIGHTS && file != CONFIG)?;
        let wrong = |source: TokenizerError| ModelsError::Checkpoint { name: name.clone(), source: source.into() };
        let tokenizer = tokenizer_files(&contents).read().map_err(wrong)?;
        tokenizer.check(&description.config).map_err(wrong)?;
        Ok(tokenizer)
    }

    fn read(&self, name: &str, planned: Option<&BTreeMap<String, Digest>>) -> Result<ReadyMade, ModelsError> {
        let contents = self.contents(name, planned, |_| true)?;
        let file = |file: &str| contents.get(file).map(Vec::as_slice).unwrap_or_default();
        let tokenizer = tokenizer_files(&contents);
        let files = CheckpointFiles { config: file(CONFIG), weights: file(WEIGHTS), tokenizer };
        ReadyMade::read(&files).map_err(|source| ModelsError::Checkpoint { name: name.to_owned(), source })
    }

    /// Files of a model, each as it was planned with.
    fn contents(
        &self,
        name: &str,
        planned: Option<&BTreeMap<String, Digest>>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<&'static str, Vec<u8>>, ModelsError> {
        let entry = self.entry(name)?;
        let mut contents = BTreeMap::new();
        for file in entry.wanted().iter().filter(|file| wanted(file)) {
            let bytes = entry.bytes(&self.hub, &self.shelf, file)?;
            // What has a declared digest was held to it a moment ago.
            let found = || entry.pinned(file).unwrap_or_else(|| Digest::of(&bytes));
            if planned.is_some_and(|planned| planned.get(*file) != Some(&found())) {
                return Err(ModelsError::Changed { name: name.to_owned(), file });
            }
            contents.insert(*file, bytes);
        }
        Ok(contents)
    }

    /// Downloads what is not here, by revision and digest, and picks up what was cut off. Gives the names
    /// of the files that came.
    ///
    /// # Errors
    /// [`ModelsError`]: no digest declared, no network, or something else than was declared came.
    pub async fn fetch(&self, name: &str) -> Result<Vec<&'static str>, ModelsError> {
        let entry = self.entry(name)?;
        let remote = matches!(entry.source, Source::Repository { .. });
        if let Some(file) = entry.wanted().iter().find(|file| remote && entry.pinned(file).is_none()) {
            return Err(entry.unpinned(file));
        }
        let mut came = Vec::new();
        for file in entry.wanted() {
            let (models, name) = (self.clone(), name.to_owned());
            let here = move || {
                let stands = models.entries.get(&name).map(|it| it.stands(&models.hub, &models.shelf, file).standing);
                matches!(stands, Some(Standing::Here | Standing::Trusted))
            };
            // A panic in there would be no file either.
            if !tokio::task::spawn_blocking(here).await.unwrap_or(false) {
                self.download(entry, file).await?;
                came.push(*file);
            }
        }
        Ok(came)
    }

    /// Downloads the files of a model and gives their digests, for a person to declare. What has no
    /// declared digest is kept, and not loaded before it has one.
    ///
    /// # Errors
    /// As [`Models::fetch`], except that digests may be missing.
    pub async fn pin(&self, name: &str) -> Result<BTreeMap<String, Digest>, ModelsError> {
        let entry = self.entry(name)?;
        let mut digests = BTreeMap::new();
        for file in entry.wanted() {
            let digest = match entry.source {
                Source::Folder(_) => {
                    let path = entry.place(&self.hub, &self.shelf, file)?;
                    self.shelf.digest(&path).map_err(ModelsError::io(&path))?
                }
                Source::Repository { .. } => self.download(entry, file).await?,
            };
            digests.insert((*file).to_owned(), digest);
        }
        Ok(digests)
    }

    async fn download(&self, entry: &Entry, file: &'static str) -> Result<Digest, ModelsError> {
        let (name, folder) = (entry.name.clone(), entry.folder.clone());
        let Source::Repository { repository, revision } = &entry.source else {
            return Err(ModelsError::NotInFolder { name, file, folder });
        };
        if self.hub.offline {
            return Err(ModelsError::Offline { name, file, folder });
        }
        let url = self.hub.url(repository, revision, file)?;
        let client = self.hub.client(&url)?;
        use std::os::unix::fs::DirBuilderExt;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(ModelsError::io(&folder))?;
        Download { hub: &self.hub, client, url, name, file, folder, wanted: entry.pinned(file) }.run().await
    }

    fn entry(&self, name: &str) -> Result<&Entry, ModelsError> {
        self.entries.get(name).ok_or_else(|| {
            let known = self.entries.keys().cloned().collect::<Vec<_>>().join(", ");
            ModelsError::Unknown { name: name.to_owned(), known }
        })
    }
}

/// The tokenizer among the files of a model, in one of its two forms.
fn tokenizer_files<'c>(contents: &'c BTreeMap<&'static str, Vec<u8>>) -> TokenizerFiles<'c> {
    let file = |file: &str| contents.get(file).map(Vec::as_slice).unwrap_or_default();
    if contents.contains_key(TOKENIZER) {
        TokenizerFiles::Whole(file(TOKENIZER))
    } else {
        TokenizerFiles::Parts { vocabulary: file(VOCABULARY), merges: file(MERGES) }
    }
}
