//! Helpers: looking at the server's process, and a service in a process of its own that may be killed.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Once;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dp2stage::store::embedded::{Cluster, ClusterConfig, Durability};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};

use crate::support::folder_of_this_run;

/// A cluster in `folder/state` as the product has it.
pub fn durable(folder: &Path) -> ClusterConfig {
    ClusterConfig::new(folder.join("state"))
}

/// A cluster in `folder/state` that does not wait for the disk: for tests in which nothing is killed.
pub fn quick(folder: &Path) -> ClusterConfig {
    ClusterConfig { durability: Durability::TestOnly, ..durable(folder) }
}

/// Puts a cluster into `folder/state` that was made and stopped before: a copy, since making one takes seconds.
pub fn copy_made_before(folder: &Path) {
    static MADE: Once = Once::new();
    let original = folder_of_this_run().join("made");
    MADE.call_once(|| Cluster::start(&quick(&original)).expect("a cluster").stop());
    let copy = Command::new("cp").arg("-a").arg(original.join("state")).arg(folder).status().expect("cp");
    assert!(copy.success());
}

/// The process that the data folder's pid file names.
pub fn server_of(data: &Path) -> Pid {
    let text = fs::read_to_string(data.join("postmaster.pid")).expect("a running server");
    Pid::from_raw(text.lines().next().and_then(|line| line.parse().ok()).expect("a process id"))
}

/// Waits until the process has ended. A zombie has: its new parent, init, may take its time to reap it.
pub fn wait_for_end(process: Pid, limit: Duration) {
    let deadline = Instant::now() + limit;
    while is_running(process) {
        assert!(Instant::now() < deadline, "process {process} is still running after {limit:?}");
        sleep(Duration::from_millis(20));
    }
}

fn is_running(process: Pid) -> bool {
    // "23 (postgres) S 1 …"
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let zombie = stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
    kill(process, None).is_ok() && !zombie
}

/// Commits `rows` rows into a new table.
pub async fn write_rows(url: &str, rows: i32) {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    sqlx::raw_sql("CREATE TABLE kept (id int PRIMARY KEY)").execute(&mut connection).await.expect("a table");
    for id in 0..rows {
        sqlx::query("INSERT INTO kept VALUES ($1)").bind(id).execute(&mut connection).await.expect("a row");
    }
}

/// How many rows [`write_rows`] left.
pub async fn count_rows(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await.expect("a count")
}

const STATE: &str = "DP2STAGE_TEST_SERVICE_STATE";
const READY: &str = "service is ready at ";

/// This test binary again, running nothing but [`act_as_service`].
pub struct Service {
    pub child: Child,
    pub url: String,
    // a closed pipe would end the service at its next word
    _output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts the service on `folder/state` and waits until its cluster is ready. As root, `user` (user and group id)
    /// runs it.
    pub fn start(folder: &Path, user: Option<(u32, u32)>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "store::embedded::process::act_as_service", "--nocapture"]).current_dir("/");
        command.env(STATE, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().expect("a second process of this binary");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once(READY)?.1.to_owned()));
        Self { url: url.expect("the service becomes ready"), child, _output: output }
    }
}

/// Acts as the service when [`Service::start`] runs this binary; else there is nothing to test here.
#[test]
fn act_as_service() {
    let Some(folder) = std::env::var_os(STATE) else { return };
    let cluster = Cluster::start(&durable(Path::new(&folder))).unwrap_or_else(|error| panic!("{error}"));
    println!("{READY}{}", cluster.url());
    // until the parent closes the pipe
    std::io::stdin().read_to_end(&mut Vec::new()).expect("standard input");
    cluster.stop();
}
