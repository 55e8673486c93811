//! The cluster of this test process.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use dp2stage::store::embedded::{Cluster, ClusterConfig, Durability, Places};
use tempfile::TempDir;

/// A folder that is removed with its handle and that the server's account can pass through.
pub fn scratch() -> TempDir {
    let passable = Permissions::from_mode(0o711);
    tempfile::Builder::new().prefix("dp2stage-test-").permissions(passable).tempdir().expect("a temporary folder")
}

/// A folder for the whole run, removed after this process and the server in it have ended.
///
/// Statics are never dropped and a test run may be killed, so a shell does it.
pub fn folder_of_this_run() -> &'static Path {
    static FOLDER: OnceLock<(PathBuf, ChildStdin)> = OnceLock::new();
    let make = || {
        let folder = scratch().keep();
        let sweeper = sweep_afterwards(&folder).expect("a shell");
        (folder, sweeper)
    };
    &FOLDER.get_or_init(make).0
}

/// Starts the cluster that serves [`fresh_database`](super::fresh_database). It ends with this process, because the
/// server ends with the thread that supervises it.
pub fn start_cluster() -> Cluster {
    let config = ClusterConfig {
        state_dir: folder_of_this_run().join("state"),
        places: Places::of_this_machine(None),
        durability: Durability::TestOnly,
        max_connections: 100,
    };
    Cluster::start(&config).unwrap_or_else(|error| panic!("{error}"))
}

/// Starts a shell that waits for the end of this process (its standard input closes), then for the end of the server,
/// and removes the folder.
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
