//! Where blobs are to lie, as a setting.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, parse_url_opts};
use reqwest::Url;

use super::bucket::Bucket;
use super::folder::Folder;
use super::handle::Blobs;
use super::place::Place;
use super::room::Room;
use crate::store::sealed::Keyring;

/// Variables of the environment that may say how to get into a bucket.
const VARIABLES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Where blobs are to lie, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `memory:///`, which
    /// every opening finds empty.
    pub url: String,
    /// Bytes that all blobs may take; 0 for no limit.
    pub quota_bytes: u64,
    /// Bytes that must stay free on the disk; of no meaning for a bucket.
    pub min_free_bytes: u64,
}

/// Storage that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The address cannot be read.
    #[error("storage.url: {0:?} is not an address; write file:///folder, s3://bucket/prefix, gs://… or az://…")]
    Address(String),
    /// This program was built without it.
    #[error("storage.url: this program was built without {0}:// storage; build it with `--features {1}`")]
    Missing(String, &'static str),
    /// The bucket's settings, most of them from the environment, are not complete.
    #[error("storage.url: the bucket cannot be used: {0}")]
    Bucket(#[source] object_store::Error),
    /// The folder cannot be used.
    #[error("the folder of blobs cannot be used")]
    Io(#[from] std::io::Error),
}

impl Storage {
    /// A folder of this machine, without limits.
    #[must_use]
    pub fn folder(root: &Path) -> Self {
        let url = Url::from_directory_path(root).map_or_else(|()| format!("file://{}", root.display()), Url::into);
        Self { url, quota_bytes: 0, min_free_bytes: 0 }
    }

    /// Opens it, with the keys that blobs are sealed under; a folder is made if needed, readable by its owner alone.
    ///
    /// # Errors
    /// [`StorageError`]. Whether a bucket answers is not asked.
    pub fn open(&self, keys: Keyring) -> Result<Blobs, StorageError> {
        let address = || StorageError::Address(self.url.clone());
        let url = Url::parse(&self.url).map_err(|_| address())?;
        let place = match url.scheme() {
            // `file:name` would be read as a path from the root.
            "file" if self.url.starts_with("file:///") => {
                let root: PathBuf = url.to_file_path().map_err(|()| address())?;
                Place::Folder(Folder::open(&root)?)
            }
            "file" => return Err(address()),
            _ => Place::Bucket(Bucket::new(store(&url)?)?),
        };
        Ok(Blobs::new(place, Room::new(self.quota_bytes, self.min_free_bytes), keys))
    }
}

fn store(url: &Url) -> Result<Arc<dyn ObjectStore>, StorageError> {
    let missing = |feature| Err(StorageError::Missing(url.scheme().to_owned(), feature));
    match url.scheme() {
        "s3" | "s3a" if !cfg!(feature = "s3") => return missing("s3"),
        "gs" if !cfg!(feature = "gcs") => return missing("gcs"),
        "az" | "abfs" | "abfss" if !cfg!(feature = "azure") => return missing("azure"),
        "s3" | "s3a" | "gs" | "az" | "abfs" | "abfss" | "memory" => {}
        _ => return Err(StorageError::Address(url.to_string())),
    }
    // Not every variable: some settings have names as short as `token`.
    let variables = std::env::vars().filter(|(name, _)| VARIABLES.iter().any(|prefix| name.starts_with(prefix)));
    let (store, prefix) = parse_url_opts(url, variables).map_err(StorageError::Bucket)?;
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}
