//! The cluster of this test process.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use dp2stage::store::embedded::{Cluster, ClusterConfig, Durability, Places};
use tempfile::TempDir;

/// A folder that is removed with its handle and that the server's account can pass through.
pub fn scratch() -> TempDir {
    let passable = Permissions::from_mode(0o711);
    tempfile::Builder::new().prefix("dp2stage-test-").permissions(passable).tempdir().expect("a temporary folder")
}

/// A cluster for the life of this process, in a folder that is removed after it.
pub struct TestCluster {
    pub cluster: Cluster,
    // closing it tells the sweeper that this process has ended
    _sweeper: ChildStdin,
}

impl TestCluster {
    /// Starts the cluster. Statics are never dropped, so nothing here relies on that: the server ends with the thread
    /// that supervises it, and the folder is removed by a sweeper.
    pub fn start() -> Self {
        let folder = scratch().keep();
        let sweeper = sweep_afterwards(&folder).expect("a shell");
        let config = ClusterConfig {
            state_dir: folder.join("state"),
            places: Places::of_this_machine(None),
            durability: Durability::TestOnly,
            max_connections: 100,
        };
        let cluster = Cluster::start(&config).unwrap_or_else(|error| panic!("{error}"));
        Self { cluster, _sweeper: sweeper }
    }
}

/// Starts a shell that waits for the end of this process (its standard input closes), then for the end of the server,
/// and removes the folder; so that a killed test run leaves nothing behind either.
fn sweep_afterwards(folder: &Path) -> io::Result<ChildStdin> {
    let script = r#"
        read -r _
        for _ in $(seq 300); do [ -e "$1/state/data/postmaster.pid" ] || break; sleep 0.1; done
        rm -rf -- "$1"
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(folder).current_dir("/").process_group(0);
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    child.stdin.take().ok_or_else(|| io::Error::other("no standard input"))
}
