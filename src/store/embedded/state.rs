//! The state folder: what lies where, and who may use it.
//!
//! ```text
//! <state>/lock          held by the running service
//! <state>/data/         the cluster, 0700, owned by the server's account
//! <state>/data.new/     a cluster in the making; renamed when complete
//! <state>/socket/       the Unix socket, 0700 (or below /tmp when the path is too long for a socket)
//! <state>/postgres.log  what the server says
//! ```

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, io};

use nix::unistd::geteuid;

use super::EmbeddedError;

/// A socket's path may have 107 bytes on Linux and 103 on macOS; PostgreSQL appends `/.s.PGSQL.5432`.
const LONGEST_SOCKET_FOLDER: usize = 103 - "/.s.PGSQL.5432".len();

/// The state folder of a service that was not given one: `/var/lib/dp2stage` for root, else
/// `$XDG_STATE_HOME/dp2stage` or `~/.local/state/dp2stage`.
///
/// # Errors
/// [`EmbeddedError::NoHome`] for an ordinary user without `XDG_STATE_HOME` and `HOME`.
pub fn default_state_dir() -> Result<PathBuf, EmbeddedError> {
    if geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/dp2stage"));
    }
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_STATE_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("dp2stage"))
        .ok_or(EmbeddedError::NoHome)
}

/// The lock on a state folder.
pub(super) struct Lock(File);

impl Drop for Lock {
    /// Unlocks for all copies of the descriptor: a process that another thread has just forked holds one until it runs its
    /// own program, and would keep the folder in use for that moment.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The folders of one cluster.
#[derive(Clone, Debug)]
pub(super) struct State {
    root: PathBuf,
}

impl State {
    /// Makes the state folder when it is missing. Root's is open to passage, so that the server's account gets through.
    pub fn open(root: &Path) -> Result<Self, EmbeddedError> {
        if !root.is_dir() {
            let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
            let make = |path: &Path| DirBuilder::new().recursive(true).mode(mode).create(path);
            make(root).map_err(EmbeddedError::io("cannot make the state folder", root))?;
            fs::set_permissions(root, Permissions::from_mode(mode)).map_err(EmbeddedError::io("cannot open", root))?;
        }
        let root = fs::canonicalize(root).map_err(EmbeddedError::io("cannot reach the state folder", root))?;
        Ok(Self { root })
    }

    /// The state folder, if it is there.
    pub fn existing(root: &Path) -> Option<Self> {
        fs::canonicalize(root).ok().map(|root| Self { root })
    }

    /// Takes the lock that keeps two services from sharing the folder; it is held until it is dropped.
    pub fn lock(&self) -> Result<Lock, EmbeddedError> {
        let path = self.root.join("lock");
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(EmbeddedError::io("cannot open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::InUse(self.root.clone())),
            Err(TryLockError::Error(error)) => Err(EmbeddedError::io("cannot lock", &path)(error)),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub fn unfinished_data(&self) -> PathBuf {
        self.root.join("data.new")
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// The socket's folder. Only plain paths are used, so that it needs no quoting in a URL or in PostgreSQL's list.
    pub fn socket(&self) -> PathBuf {
        let inside = self.root.join("socket");
        if fits_a_socket(&inside) {
            return inside;
        }
        let mut hasher = DefaultHasher::new();
        self.root.hash(&mut hasher);
        let name = format!("dp2stage-{:016x}", hasher.finish());
        // root's runtime folder is closed to the server's account
        let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|_| !geteuid().is_root());
        let runtime = runtime.map(|folder| Path::new(&folder).join(&name));
        runtime.filter(|path| path.is_absolute() && fits_a_socket(path)).unwrap_or_else(|| Path::new("/tmp").join(name))
    }

    /// The version that wrote the data folder, or `None` when there is no cluster yet.
    pub fn data_version(&self) -> Result<Option<String>, EmbeddedError> {
        let path = self.data().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EmbeddedError::io("cannot read", &path)(error)),
        }
    }
}

fn fits_a_socket(path: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.len() <= LONGEST_SOCKET_FOLDER && bytes.iter().all(plain)
}
