//! What can keep a private cluster from starting, each with what the operator can do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::OLDEST_MAJOR;

/// Why a private cluster could not be started.
///
/// Messages name folders, accounts and versions only; the server itself is told to log no row values.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No PostgreSQL server programs were found anywhere on this machine.
    #[error(
        "no PostgreSQL server programs found: install them (Debian: apt-get install -y postgresql) or set DATABASE_URL"
    )]
    NoBinaries,
    /// The folder named by the configuration or by `PG_BIN_DIR` does not hold the server programs.
    #[error(
        "{} does not hold `initdb` and `postgres`: name their folder in PG_BIN_DIR, install them (Debian: apt-get \
         install -y postgresql) or set DATABASE_URL",
        .0.display()
    )]
    EmptyBinDir(PathBuf),
    /// Server programs were found, but none is recent enough.
    #[error("PostgreSQL {found} in {} is too old: {OLDEST_MAJOR} or newer is needed, or set DATABASE_URL", .dir.display())]
    TooOld {
        /// Folder of the newest programs found.
        dir: PathBuf,
        /// Their major version.
        found: u32,
    },
    /// The data folder was written by another major version than any that is installed.
    #[error(
        "{} was written by PostgreSQL {data}, but the programs in {} are version {binaries}: install PostgreSQL \
         {data}, or move the data with pg_upgrade, or choose another state folder",
        .folder.display(), .dir.display()
    )]
    VersionMismatch {
        /// The data folder.
        folder: PathBuf,
        /// Its major version.
        data: String,
        /// Folder of the programs.
        dir: PathBuf,
        /// Their major version.
        binaries: u32,
    },
    /// Another service holds the lock of this state folder.
    #[error("{} is in use by another dp2stage service: stop it, or choose another state folder", .0.display())]
    InUse(PathBuf),
    /// The data folder has content that is not a cluster; it is left as it is.
    #[error("{} is not empty and holds no PostgreSQL cluster: move it away, or choose another state folder", .0.display())]
    NotACluster(PathBuf),
    /// The server's account cannot pass through a folder above one that it needs.
    #[error(
        "the account `{account}`, which runs PostgreSQL for root, cannot pass through {}: it needs {}; choose another \
         place (for state: /var/lib/dp2stage) or allow passage with chmod o+x",
        .at.display(), .needed.display()
    )]
    Unreachable {
        /// Name of the server's account.
        account: String,
        /// The folder that must be reached.
        needed: PathBuf,
        /// The first folder on the way without passage.
        at: PathBuf,
    },
    /// The data or socket folder belongs to an account that this process cannot run the server as.
    #[error("{} belongs to user id {owner}, not to `{account}`: run as that user, or choose another state folder", .folder.display())]
    WrongOwner {
        /// The folder.
        folder: PathBuf,
        /// User id of its owner.
        owner: u32,
        /// Name of the account that wants to use it.
        account: String,
    },
    /// Running as root, and neither `postgres` nor `nobody` exists.
    #[error("PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody`")]
    NoAccount,
    /// Neither `XDG_STATE_HOME` nor `HOME` is set, so there is no default state folder.
    #[error("neither XDG_STATE_HOME nor HOME is set: name a state folder")]
    NoHome,
    /// `initdb` or another helper program failed.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote to standard error.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("PostgreSQL did not start ({status}); the end of {}:\n{output}", .log.display())]
    Startup {
        /// How it ended.
        status: String,
        /// The log file.
        log: PathBuf,
        /// What this attempt wrote to it, at most the last 2,000 bytes.
        output: String,
    },
    /// The server is running but was not ready in time.
    #[error("PostgreSQL was not ready after {seconds} s; see {}", .log.display())]
    NotReady {
        /// How long it was given.
        seconds: u64,
        /// The log file.
        log: PathBuf,
    },
    /// The thread that supervises the server ended without a word.
    #[error("the thread that supervises PostgreSQL ended unexpectedly")]
    SupervisorGone,
    /// The operating system refused something.
    #[error("{what} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl EmbeddedError {
    /// Wraps an operating system error with what was tried on which path.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
