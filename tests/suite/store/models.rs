//! Ready-made models: declared, fetched, told from others, read whole or not at all.

mod declared;
mod fetched;
mod hub;

use std::collections::BTreeMap;
use std::path::Path;

use dp2stage::model::Digest;
use dp2stage::store::models::{Declaration, Hub, Models};

use crate::model::ready_made::checkpoint;
use crate::model::tokenizers::{JSON, MERGES, VOCABULARY};

const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

/// A small checkpoint: names and contents.
fn files() -> BTreeMap<&'static str, Vec<u8>> {
    let (config, weights) = checkpoint();
    [
        ("config.json", config),
        ("model.safetensors", weights),
        ("tokenizer.json", JSON.to_vec()),
        ("vocab.json", VOCABULARY.to_vec()),
        ("merges.txt", MERGES.to_vec()),
    ]
    .into()
}

/// The checkpoint as a repository, with the digests of `pinned`.
fn repository(pinned: &[&str]) -> Declaration {
    let files = files();
    let pins = pinned.iter().map(|file| ((*file).to_owned(), Digest::of(&files[file]))).collect();
    let (repository, revision) = (Some("somebody/small".to_owned()), Some(REVISION.to_owned()));
    Declaration { folder: None, repository, revision, files: pins }
}

const WHOLE: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

fn models(state: &Path, declaration: Declaration, hub: Hub) -> Models {
    Models::new(state, &[("small".to_owned(), declaration)].into(), hub).unwrap()
}

fn offline() -> Hub {
    Hub { endpoint: "http://127.0.0.1:9".into(), cache: None, offline: true, token: None }
}

fn put(folder: &Path, names: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    for name in names {
        std::fs::write(folder.join(name), &files()[name]).unwrap();
    }
}
