//! Who works, and how each attempt at a job went.

use axum::Json;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::desk::Desk;
use super::extract::JobId;
use super::page::Page;
use super::problem::Problem;
use super::role::{Caller, View, forbidden};
use crate::store::{self, Attempt, Role, SeenWorker};

/// A worker that was not heard of for so many seconds is silent: three signs of life were missed.
pub(super) const SILENT: f64 = 35.0;

/// What a worker is at.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WorkerState {
    /// Waits for a job.
    Idle,
    /// Works on one.
    Working,
    /// Was told to stop.
    Draining,
    /// Was not heard of for a while: it died, or cannot reach the database.
    Silent,
}

/// A worker process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkerView {
    /// The name under which it works.
    name: String,
    /// What it is at.
    state: WorkerState,
    /// The machine.
    host: String,
    /// Its process there.
    pid: i32,
    /// Where it trains: `cpu`, `cuda:0` and so on.
    device: String,
    /// Threads that it computes with.
    threads: i32,
    /// Bytes of memory that it may take; null for no limit.
    memory_bytes: Option<i64>,
    /// Bytes that it has resident.
    used_bytes: Option<i64>,
    /// The version of its program.
    version: String,
    /// The job that it is at, where that is one of yours.
    job: Option<Uuid>,
    /// When it joined.
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// When it was last heard of.
    #[serde(with = "time::serde::rfc3339")]
    heartbeat_at: OffsetDateTime,
}

impl From<SeenWorker> for WorkerView {
    fn from(seen: SeenWorker) -> Self {
        let state = match (seen.silent_seconds > SILENT, seen.draining, seen.working) {
            (true, _, _) => WorkerState::Silent,
            (_, true, _) => WorkerState::Draining,
            (_, _, true) => WorkerState::Working,
            _ => WorkerState::Idle,
        };
        let who = seen.presence;
        Self {
            name: who.name,
            state,
            host: who.host,
            pid: who.pid,
            device: who.device,
            threads: who.threads,
            memory_bytes: who.memory_bytes,
            used_bytes: seen.used_bytes,
            version: who.version,
            job: seen.job_id,
            started_at: seen.started_at,
            heartbeat_at: seen.heartbeat_at,
        }
    }
}

/// Workers, by name: those that were heard of within a day.
#[utoipa::path(get, path = "/v1/workers", operation_id = "list_workers", tag = "workers", responses((status = 200, body = Page<WorkerView>)))]
pub(super) async fn list(desk: Desk) -> Result<Json<Page<WorkerView>>, Problem> {
    let items = store::list_workers(&desk.tenant).await?.into_iter().map(WorkerView::from).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// One attempt at a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptView {
    /// 1, 2, 3 in the order of claiming.
    number: usize,
    /// Who worked.
    worker: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    started_at: OffsetDateTime,
    /// When it ended; null while it goes on.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
    /// `succeeded`, `failed`, `cancelled`, `handed_back` (by the worker itself), or `lost` (the worker fell silent).
    outcome: Option<String>,
    /// Why it was not a success: `draining`, or a failure code.
    reason: Option<String>,
}

/// The attempts at a job, the first first. For custodians: how often something had to be tried may depend on
/// private rows.
#[utoipa::path(get, path = "/v1/jobs/{job}/attempts", operation_id = "list_attempts", tag = "jobs",
    params(("job" = Uuid, Path, description = "id")), responses(
    (status = 200, body = Page<AttemptView>),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn attempts(desk: Desk, caller: Caller, JobId(id): JobId) -> Result<Json<Page<AttemptView>>, Problem> {
    let key = caller.key_for(Some(View::Custodian))?;
    let key = key.ok_or_else(|| forbidden(Role::Custodian))?;
    store::find_job(&desk.tenant, id).await?;
    let attempts = store::attempts(&desk.tenant, id).await?.open(&key);
    let view = |(i, of): (usize, Attempt)| AttemptView {
        number: i + 1,
        worker: of.worker,
        started_at: of.started_at,
        ended_at: of.ended_at,
        outcome: of.outcome,
        reason: of.reason,
    };
    Ok(Json(Page { items: attempts.into_iter().enumerate().map(view).collect(), next_cursor: None }))
}
