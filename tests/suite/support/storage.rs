//! Storage keys and blobs of tests.

use std::path::Path;

use dp2stage::store::{Blob, Blobs, KeySource, Keyring, WrappedKey};
use sqlx::PgPool;
use uuid::Uuid;

/// A storage key that no database knows of.
pub fn ring() -> Keyring {
    let text = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".to_owned();
    Keyring::of(&KeySource::Text(text.into())).expect("a key")
}

/// Storage in a folder, under that key.
pub fn blobs_in(folder: &Path) -> Blobs {
    Blobs::open(folder, ring()).expect("a folder")
}

/// The storage of the installation with this state folder.
pub fn storage_of(state: &Path) -> Blobs {
    let keys = Keyring::of(&KeySource::File(state.join("keys/storage"))).expect("the storage keys");
    Blobs::open(&state.join("blobs"), keys).expect("the storage")
}

/// A blob as the database knows it now.
pub async fn blob_named(pool: &PgPool, name: &str) -> Blob {
    let key = sqlx::query_as("select dataset_id, storage_key, wrapped from blob_keys where blob = $1").bind(name);
    let key: Option<(Uuid, String, Vec<u8>)> = key.fetch_optional(pool).await.expect("an answer");
    match key {
        None => Blob::plain(name),
        Some((owner, storage_key, bytes)) => {
            Blob { name: name.to_owned(), owner, key: Some(WrappedKey { storage_key, bytes }) }
        }
    }
}
