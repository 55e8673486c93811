//! One running server process.

use std::fs;
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::EmbeddedError;
use super::launch::Launch;

/// How long a fast shutdown may take before the server is told to stop at once.
const FAST_STOP: Duration = Duration::from_secs(20);
/// How long an immediate shutdown may take before the server is killed. Either way the next start recovers.
const IMMEDIATE_STOP: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(10);
/// The status is the eighth line of `postmaster.pid` (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
const STATUS_LINE: usize = 7;

/// A server process and where its log began.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
    log_before: u64,
    pub since: Instant,
}

/// What a server process is doing.
#[derive(Debug)]
pub(super) enum Condition {
    Starting,
    Ready,
    Ended(ExitStatus),
}

impl Postmaster {
    /// Starts a server; see [`Launch::spawn`] for the part the calling thread plays.
    pub fn spawn(launch: &Launch) -> Result<Self, EmbeddedError> {
        let (child, log_before) = launch.spawn()?;
        Ok(Self { child, log_before, since: Instant::now() })
    }

    /// Looks at the process and, as `pg_ctl` does, at the status that the server writes into its pid file.
    pub fn condition(&mut self, launch: &Launch) -> Result<Condition, EmbeddedError> {
        let ended = self.child.try_wait().map_err(EmbeddedError::io("cannot wait for", &launch.program))?;
        if let Some(status) = ended {
            return Ok(Condition::Ended(status));
        }
        let text = fs::read_to_string(launch.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        let ours = lines.next() == Some(self.child.id().to_string().as_str());
        let ready = lines.nth(STATUS_LINE - 1).map(str::trim) == Some("ready");
        Ok(if ours && ready { Condition::Ready } else { Condition::Starting })
    }

    /// What this process wrote to the log.
    pub fn words(&self, launch: &Launch) -> String {
        launch.log_since(self.log_before)
    }

    /// Ends the server: fast, then at once, then by force.
    pub fn stop(mut self) {
        if !self.end_with(Signal::SIGINT, FAST_STOP) && !self.end_with(Signal::SIGQUIT, IMMEDIATE_STOP) {
            tracing::warn!("PostgreSQL did not stop when asked and is killed; the next start recovers");
            self.end_with(Signal::SIGKILL, IMMEDIATE_STOP);
        }
    }

    /// Sends a signal and waits; true when the process has ended and was reaped.
    fn end_with(&mut self, signal: Signal, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        if let Ok(id) = i32::try_from(self.child.id()) {
            // fails only when the process has ended, which the wait below sees
            let _ = kill(Pid::from_raw(id), signal);
        }
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => sleep(TICK),
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }
}

impl Drop for Postmaster {
    /// A server that is given up without a stop is told to shut down; the kernel would do so when the thread ends.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end_with(Signal::SIGINT, FAST_STOP);
        }
    }
}
