//! The local crew: worker processes that a server starts, watches and stops.
//!
//! Workers are processes of their own, so that whatever kills one (memory, a device) leaves the
//! server standing.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::presence::resident;
use super::tether::PATIENCE;
use crate::store::{self, StoreError, within};

/// How to start a worker. It is expected to end when the process `--tied-to` does.
#[derive(Clone, Debug)]
pub struct Crew {
    /// The device of each: as many workers as there are.
    pub devices: Vec<String>,
    /// The program.
    pub program: PathBuf,
    /// Its arguments; `--name`, a fresh name, `--tied-to` and our process id are appended.
    pub arguments: Vec<String>,
    /// Its environment, on top of the server's and of its device.
    pub environment: Vec<(String, String)>,
    /// Bytes that a worker may have resident; one with more is killed, and its job tried again.
    pub memory_bytes: u64,
    /// How long a worker may take to hand its job back.
    pub patience: Duration,
}

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often the memory of a worker is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A worker that lived this long was healthy: the next wait is the first again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Keeps the crew complete until `stop` is cancelled, then lets everyone drain.
pub async fn supervise(crew: Crew, pool: PgPool, stop: CancellationToken) {
    let slots = crew.devices.iter().map(|device| keep(&crew, device, &pool, &stop));
    futures_util::future::join_all(slots).await;
}

async fn keep(crew: &Crew, device: &str, pool: &PgPool, stop: &CancellationToken) {
    let mut wait = FIRST_WAIT;
    while !stop.is_cancelled() {
        let (name, born) = (format!("local-{}", Uuid::now_v7().simple()), Instant::now());
        let mut fault = "worker_lost";
        match start(crew, device, &name) {
            Ok(mut child) => {
                let pid = child.id();
                tokio::select! {
                    status = child.wait() => tracing::warn!(worker = name, ?status, "a worker ended"),
                    bytes = grown(pid, crew.memory_bytes) => {
                        tracing::error!(worker = name, bytes, limit = crew.memory_bytes, "a worker took too much memory");
                        fault = "out_of_memory";
                        let _ = child.kill().await;
                    }
                    () = stop.cancelled() => drain(crew, &mut child).await,
                }
            }
            Err(error) => tracing::error!(%error, "a worker could not be started"),
        }
        if let Err(error) = within(PATIENCE, bury(pool, &name, fault)).await {
            tracing::warn!(%error, "the lease of a dead worker could not be ended; it will run out");
        }
        wait = if born.elapsed() > HEALTHY { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
        let _ = tokio::time::timeout(wait / 2, stop.cancelled()).await;
    }
}

/// It is dead for certain, so nobody need wait for its lease to run out.
async fn bury(pool: &PgPool, name: &str, fault: &str) -> Result<(), StoreError> {
    store::expire(pool, name, fault).await?;
    store::forget_worker(pool, name).await
}

/// Ends when a process has more than so many bytes resident.
async fn grown(pid: Option<u32>, most: u64) -> i64 {
    loop {
        tokio::time::sleep(LOOK).await;
        let bytes = pid.and_then(|pid| resident(pid as i32));
        if let Some(bytes) = bytes.filter(|bytes| bytes.unsigned_abs() > most) {
            return bytes;
        }
    }
}

fn start(crew: &Crew, device: &str, name: &str) -> std::io::Result<Child> {
    Command::new(&crew.program)
        .args(&crew.arguments)
        .args(["--name", name, "--tied-to", &std::process::id().to_string()])
        .envs(crew.environment.iter().cloned())
        .env("DP2STAGE__WORKERS__DEVICE", device)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

async fn drain(crew: &Crew, child: &mut Child) {
    if let Some(pid) = child.id() {
        // One that is gone already needs no signal.
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
    }
    if tokio::time::timeout(crew.patience, child.wait()).await.is_err() {
        tracing::warn!("a worker did not drain in time and is killed; its job will be claimed again");
        let _ = child.kill().await;
    }
}
