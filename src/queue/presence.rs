//! A worker says that it is there, for operators to see.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::tether::PATIENCE;
use crate::store::{self, Presence, within};

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// What a worker is at, said at once when it changes.
#[derive(Clone, Debug, Default)]
pub(super) struct At(Arc<(Mutex<Option<Uuid>>, Notify)>);

impl At {
    /// Notes the job that it is at.
    pub fn set(&self, job: Option<Uuid>) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = job;
        self.0.1.notify_one();
    }

    fn job(&self) -> Option<Uuid> {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says so until the task is dropped.
pub(super) async fn announce(pool: PgPool, presence: Presence, at: At, drain: CancellationToken) {
    loop {
        let (job, draining) = (at.job(), drain.is_cancelled());
        let said = store::report_worker(&pool, &presence, resident(presence.pid), (job, draining));
        if let Err(error) = within(PATIENCE, said).await {
            tracing::debug!(%error, "a sign of life was not heard");
        }
        tokio::select! {
            () = at.0.1.notified() => {}
            () = drain.cancelled(), if !draining => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Bytes that a process has resident, where the kernel says.
pub(super) fn resident(pid: i32) -> Option<i64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok().map(|kib| kib * 1024)
}
