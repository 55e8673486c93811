//! What the settings say about a model, and the models that are known without any.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::ModelsError;
use super::files::{self, ALL, CONFIG, MERGES, TOKENIZER, VOCABULARY, WEIGHTS};
use crate::model::Digest;

/// A model as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declaration {
    /// A folder that holds the files; goes before the repository.
    pub folder: Option<PathBuf>,
    /// A repository of the hub, `owner/name`.
    pub repository: Option<String>,
    /// The commit, 40 digits of hexadecimal.
    pub revision: Option<String>,
    /// The SHA-256 of each file. What is named here is held to it, in a folder too.
    pub files: BTreeMap<String, Digest>,
}

/// Where the files of a model are looked for.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In one folder and nowhere else.
    Folder(PathBuf),
    /// In the state folder, in the cache of Hugging Face's programs, or at the hub.
    Repository {
        /// `owner/name`.
        repository: String,
        /// The commit.
        revision: String,
    },
}

impl Declaration {
    /// Checks what is declared under `name`.
    pub(super) fn source(&self, name: &str) -> Result<Source, ModelsError> {
        let fault = |what| Err(ModelsError::Declaration { name: name.to_owned(), what });
        let plain = |text: &str| {
            let word = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
            !text.is_empty() && text.len() <= 96 && !text.starts_with('.') && text.bytes().all(word)
        };
        if !plain(name) {
            return fault("a name has letters, digits, `.`, `_` and `-`, and does not begin with a point");
        }
        if self.files.keys().any(|file| !ALL.contains(&file.as_str())) {
            return fault(
                "files are config.json, model.safetensors and tokenizer.json, or vocab.json and merges.txt in place of \
                 the last",
            );
        }
        if let Some(folder) = &self.folder {
            return match std::path::absolute(folder) {
                Ok(folder) => Ok(Source::Folder(folder)),
                Err(_) => fault("its folder is no path"),
            };
        }
        let Some(repository) = self.repository.clone() else {
            return fault("it needs a folder, or a repository with its revision");
        };
        if !(1..=2).contains(&repository.split('/').count()) || !repository.split('/').all(plain) {
            return fault("a repository is `owner/name`");
        }
        // A branch moves: what was trained on could not be told any more.
        match &self.revision {
            Some(revision) if revision.len() == 40 && revision.bytes().all(|c| c.is_ascii_hexdigit()) => {
                Ok(Source::Repository { repository, revision: revision.to_ascii_lowercase() })
            }
            _ => fault("a repository needs a revision: the 40 digits of a commit, not the name of a branch"),
        }
    }

    /// The files that are fetched from a repository.
    pub(super) fn wanted(&self) -> &'static [&'static str] {
        let parts = [VOCABULARY, MERGES].iter().any(|file| self.files.contains_key(*file));
        files::wanted(!parts || self.files.contains_key(TOKENIZER))
    }
}

/// Name, repository, revision, and the digest of each file.
type Known = (&'static str, &'static str, &'static str, [(&'static str, &'static str); 3]);

/// The weights of both are OpenAI's and Hugging Face's, whose licences (MIT, Apache 2.0) allow this use.
/// The digests are those that the hub states for these commits (for weights: the oid of Git LFS).
const KNOWN: [Known; 2] = [
    (
        "gpt2",
        "openai-community/gpt2",
        "607a30d783dfa663caf39e06633721c8d4cfcd7e",
        [
            (CONFIG, "0daed7749b4f02b8f76240d5444551d7b08712dab4d0adb8239c56ba823bb7b4"),
            (WEIGHTS, "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707"),
            (TOKENIZER, "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6"),
        ],
    ),
    (
        "distilgpt2",
        "distilbert/distilgpt2",
        "2290a62682d06624634c1f46a6ad5be0f47f38aa",
        [
            (CONFIG, "4ec5947c1d59fee6212cdf3b0ec1a53eac02092554c5ff0a733488cbd2c64f3a"),
            (WEIGHTS, "e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b"),
            (TOKENIZER, "8414cab924d8b9b33013f0d221c5862f365ee9be39c5c2bfae8a5a9e970478a6"),
        ],
    ),
];

/// The models that need no declaration: `gpt2` (124 million parameters) and `distilgpt2` (82 million).
#[must_use]
pub fn known_models() -> BTreeMap<String, Declaration> {
    let pins = |files: [(&str, &str); 3]| {
        files.into_iter().filter_map(|(file, digest)| Some((file.to_owned(), digest.parse().ok()?))).collect()
    };
    let declared = KNOWN.map(|(name, repository, revision, files)| {
        let (repository, revision) = (Some(repository.to_owned()), Some(revision.to_owned()));
        (name.to_owned(), Declaration { folder: None, repository, revision, files: pins(files) })
    });
    declared.into_iter().collect()
}
