//! What can keep a ready-made model from being used, each with what the operator can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Digest, ReadyMadeError};

/// Why a ready-made model is not to be had. Nothing is half-loaded. Carries no token and no signed address.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// No model of this name is declared.
    #[error("no ready-made model `{name}` is declared ([models.{name}] in config.toml); there are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What is declared.
        known: String,
    },
    /// A declaration does not say where the model is.
    #[error("models.{name}: {what}")]
    Declaration {
        /// The model.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A file of a repository has no digest.
    #[error(
        "{name}: {file} has no SHA-256 under [models.{name}.files], and nothing is loaded from a network without one; \
         `dp2stage models pin {name}` downloads the files and prints their digests for config.toml"
    )]
    Unpinned {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
    },
    /// A file is nowhere on this machine.
    #[error(
        "{name}: {file} is not here; `dp2stage models fetch {name}` downloads it, or put it into {} by hand",
        .folder.display()
    )]
    NotHere {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// Where it is looked for.
        folder: PathBuf,
    },
    /// A folder that was declared lacks a file.
    #[error("{name}: {} holds no {file}", .folder.display())]
    NotInFolder {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// The folder.
        folder: PathBuf,
    },
    /// A file is another one than its digest says.
    #[error("{}: its SHA-256 is {found}, and {wanted} was declared; it is not used", .path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: Digest,
        /// What it should have.
        wanted: Digest,
    },
    /// The hub sent something else than was declared.
    #[error(
        "{name}: what the hub sent for {file} has the SHA-256 {found}, and {wanted} was declared; it was removed. If \
         the download was cut off before, try once more; else the hub or the declaration is wrong"
    )]
    Sent {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// What came.
        found: Digest,
        /// What should have come.
        wanted: Digest,
    },
    /// The model is another one than a plan was made for.
    #[error("{name}: {file} is not the one that the job was planned with; submit the job again")]
    Changed {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
    },
    /// The network is out of bounds.
    #[error(
        "{name}: {file} is not here, and HF_HUB_OFFLINE forbids to fetch it; put it into {} by hand",
        .folder.display()
    )]
    Offline {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// Where it is looked for.
        folder: PathBuf,
    },
    /// The hub was not reached, or was lost again and again.
    #[error(
        "{name}: {file} could not be fetched from {host} ({reason}); what has come is kept for the next attempt. \
         Without a network, put the file into {} by hand, or name a mirror in HF_ENDPOINT",
        .folder.display()
    )]
    Unreachable {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// The host.
        host: String,
        /// Where the file may be put.
        folder: PathBuf,
        /// The last fault.
        reason: String,
    },
    /// The hub wants to know who is asking.
    #[error("{name}: {host} refuses {file} ({status}); set HF_TOKEN to a token that may read the repository")]
    Refused {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// The host.
        host: String,
        /// 401 or 403.
        status: u16,
    },
    /// The hub has no such file.
    #[error("{name}: {host} has no {file} in this repository at this revision ({status}); see [models.{name}]")]
    Missing {
        /// The model.
        name: String,
        /// The file.
        file: &'static str,
        /// The host.
        host: String,
        /// What it answered.
        status: u16,
    },
    /// A file is larger than any of its kind.
    #[error("{file} has more than {most} bytes; it is not read")]
    TooLarge {
        /// The file.
        file: &'static str,
        /// The most that is read.
        most: u64,
    },
    /// `HF_ENDPOINT` is no address.
    #[error("HF_ENDPOINT is {0:?}, which is not an http or https address")]
    Endpoint(String),
    /// There is no client for the network.
    #[error("a client for downloads could not be made")]
    Client(#[source] reqwest::Error),
    /// The files are there and no model that can be trained here.
    #[error("{name}: {source}")]
    Checkpoint {
        /// The model.
        name: String,
        /// What is wrong with them.
        source: ReadyMadeError,
    },
    /// The operating system refused something.
    #[error("{}: {source}", .path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl ModelsError {
    /// Wraps an error of the operating system with the path.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
