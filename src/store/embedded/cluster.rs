//! The private cluster as the rest of the program sees it.

use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::account::Account;
use super::initdb::make_cluster;
use super::launch::Launch;
use super::state::State;
use super::supervisor::Supervisor;
use super::{Binaries, EmbeddedError, Places};

/// The database that the cluster is made with.
pub const DATABASE: &str = "dp2stage";
/// The cluster's owner, as a database role.
pub(super) const USER: &str = "app";
/// Part of the socket's name; no TCP port is opened.
pub(super) const PORT: u16 = 5432;

/// What the server promises about committed work when the machine fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Committed means on disk. The only choice for a privacy ledger.
    Durable,
    /// Nothing is forced to disk: for tests that throw the cluster away.
    TestOnly,
}

impl Durability {
    /// The choice as arguments of the server; said outright, so that an edited `postgresql.conf` cannot undo it.
    pub(super) fn settings(self) -> [&'static str; 6] {
        match self {
            Self::Durable => ["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on"],
            Self::TestOnly => ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"],
        }
    }
}

/// What a private cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// The folder that holds the cluster; made when missing. See [`default_state_dir`](super::default_state_dir).
    pub state_dir: PathBuf,
    /// Where to look for the server programs.
    pub places: Places,
    /// What a commit promises.
    pub durability: Durability,
    /// The most connections that the server takes at once.
    pub max_connections: u32,
}

impl ClusterConfig {
    /// A durable cluster in `state_dir` with this machine's programs and 64 connections.
    pub fn new(state_dir: PathBuf) -> Self {
        Self { state_dir, places: Places::of_this_machine(None), durability: Durability::Durable, max_connections: 64 }
    }
}

/// How to connect to the server of a state folder, if one runs. Starts and changes nothing.
#[must_use]
pub fn running(state_dir: &Path) -> Option<PgConnectOptions> {
    let socket = State::existing(state_dir)?.socket();
    socket.join(format!(".s.PGSQL.{PORT}")).exists().then(|| options(&socket))
}

fn options(socket: &Path) -> PgConnectOptions {
    // the port names the socket, and PGPORT or PGSSLMODE of the environment must not change it
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(PORT)
        .username(USER)
        .database(DATABASE)
        .ssl_mode(PgSslMode::Disable)
}

/// A running private cluster. Dropping it stops the server (fast shutdown, at most 20 s) and blocks until it has ended.
#[derive(Debug)]
pub struct Cluster {
    socket: PathBuf,
    data: PathBuf,
    // dropped with the cluster, which stops the server
    _supervisor: Supervisor,
}

impl Cluster {
    /// Starts the server on the state folder, making the cluster and its database when they are missing, and blocks
    /// until it takes connections. Call it outside the async runtime or in `spawn_blocking`; the server hangs on a
    /// thread of its own and not on the caller's.
    ///
    /// # Errors
    /// See [`EmbeddedError`]; nothing that was there is removed or changed then.
    pub fn start(config: &ClusterConfig) -> Result<Self, EmbeddedError> {
        let state = State::open(&config.state_dir)?;
        let lock = state.lock()?;
        let data = state.data();
        let account = Account::for_data(&data)?;
        account.must_reach(state.root())?;
        let version = state.data_version()?;
        let wanted = version.as_deref().and_then(|text| text.parse().ok());
        let binaries = Binaries::find(&config.places, wanted)?;
        account.must_reach(binaries.dir())?;
        match version {
            None => make_cluster(&state, &account, &binaries, config.durability)?,
            Some(_) if wanted == Some(binaries.major()) => {}
            Some(version) => {
                let dir = binaries.dir().to_owned();
                let binaries = binaries.major();
                return Err(EmbeddedError::VersionMismatch { folder: data, data: version, dir, binaries });
            }
        }
        let socket = state.socket();
        let launch = Launch {
            account,
            program: binaries.dir().join("postgres"),
            data: data.clone(),
            socket: socket.clone(),
            log: state.log(),
            durability: config.durability,
            max_connections: config.max_connections,
        };
        let supervisor = Supervisor::start(launch, lock)?;
        Ok(Self { socket, data, _supervisor: supervisor })
    }

    /// How to connect to the database [`DATABASE`]. The socket's folder belongs to the server's account alone, so this
    /// works for root and for the user that started the cluster.
    pub fn connect_options(&self) -> PgConnectOptions {
        options(&self.socket)
    }

    /// The same as a URL, for another process of this service: `postgres://app@localhost:5432/dp2stage?host=<folder>`.
    pub fn url(&self) -> String {
        // the folder's path is plain (see `State::socket`) and needs no escapes
        format!("postgres://{USER}@localhost:{PORT}/{DATABASE}?host={}&sslmode=disable", self.socket.display())
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Stops the server and waits until it has ended.
    pub fn stop(self) {
        drop(self);
    }
}
