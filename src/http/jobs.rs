//! Listing, reading, waiting for and cancelling jobs.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use uuid::Uuid;

use super::desk::Desk;
use super::extract::{JobId, Params};
use super::job_view::{JobView, shown_status};
use super::page::{Page, PageParams};
use super::problem::Problem;
use super::role::{Caller, View};
use super::tagged::tagged;
use crate::store::{self, Bell, CustodianKey, Job, JobFilter, JobStatus, Ring};

/// Longest wait for a change.
const LONGEST_WAIT: u64 = 60;
/// A waiting request looks this often even when the bell is silent.
const LOOK: Duration = Duration::from_secs(2);

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobParams {
    /// Id or name of a dataset.
    dataset: Option<String>,
    /// A state.
    status: Option<JobStatus>,
    /// Most items in the answer, 1 to 200; 50 unless given.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<Uuid>,
    /// `released` or `custodian`; the most that the key may see unless given.
    #[param(inline)]
    view: Option<View>,
}

/// Jobs, newest first. Pages are stable: what is submitted meanwhile comes before the first.
#[utoipa::path(get, path = "/v1/jobs", operation_id = "list_jobs", tag = "jobs", params(JobParams), responses(
    (status = 200, body = Page<JobView>, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`: no such dataset", content_type = "application/problem+json"),
))]
pub(super) async fn list(
    desk: Desk,
    caller: Caller,
    Params(params): Params<JobParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = caller.key_for(params.view)?;
    let limit = PageParams { limit: params.limit, ..PageParams::default() }.limit()?;
    let dataset = match &params.dataset {
        Some(name) => Some(store::find_dataset(&desk.tenant, name).await?.id),
        None => None,
    };
    let filter = JobFilter { dataset, status: params.status, released: key.is_none(), before: params.cursor };
    let mut items = Vec::new();
    for job in store::list_jobs(&desk.tenant, filter, limit + 1).await? {
        items.push(JobView::load(&desk.tenant, job, key.as_ref()).await?);
    }
    tagged(&Page::cut(items, limit, |j| j.id), &headers)
}

/// How to read a job.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitParams {
    /// Answer only when the job's state differs from what it was at the start of this request, or
    /// is final, or this many seconds (at most 60) have passed.
    wait: Option<u64>,
    /// `released` or `custodian`; the most that the key may see unless given.
    #[param(inline)]
    view: Option<View>,
}

/// One job; with `?wait=25`, as soon as its state changes. Carries an `ETag`.
#[utoipa::path(get, path = "/v1/jobs/{job}", operation_id = "get_job", tag = "jobs",
    params(("job" = Uuid, Path, description = "id"), WaitParams), responses(
    (status = 200, body = JobView, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn get(
    desk: Desk,
    caller: Caller,
    JobId(id): JobId,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = caller.key_for(params.view)?;
    let wait = params.wait.unwrap_or(0);
    if wait > LONGEST_WAIT {
        return Err(Problem::invalid("query.wait", format!("wait is at most {LONGEST_WAIT} seconds")));
    }
    let job = changed(&desk, (id, key.as_ref()), Duration::from_secs(wait)).await?;
    let view = JobView::load(&desk.tenant, job, key.as_ref()).await?;
    tagged(&view, &headers)
}

/// The job, once its state is not what it was, or time is up.
async fn changed(desk: &Desk, (id, key): (Uuid, Option<&CustodianKey>), wait: Duration) -> Result<Job, Problem> {
    let until = Instant::now() + wait;
    let mut listener = desk.bell.listener();
    let first = store::find_job(&desk.tenant, id).await?;
    if wait.is_zero() || first.status.is_final() {
        return Ok(first);
    }
    loop {
        let left = until.saturating_duration_since(Instant::now());
        tokio::select! {
            () = desk.stopping.cancelled() => {}
            () = Bell::wait(&mut listener, Ring::Job(id), left.min(LOOK)) => {}
        }
        let job = store::find_job(&desk.tenant, id).await?;
        if shown_status(&job, key) != shown_status(&first, key)
            || Instant::now() >= until
            || desk.stopping.is_cancelled()
        {
            return Ok(job);
        }
    }
}

/// Cancel a job: at once when queued, within two steps when running. What was charged stays charged.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", operation_id = "cancel_job", tag = "jobs",
    params(("job" = Uuid, Path, description = "id")), responses(
    (status = 202, body = JobView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: it has succeeded or failed", content_type = "application/problem+json"),
))]
pub(super) async fn cancel(desk: Desk, caller: Caller, JobId(id): JobId) -> Result<impl IntoResponse, Problem> {
    let key = caller.key_for(None)?;
    store::cancel(&desk.tenant, id).await?;
    let job = store::find_job(&desk.tenant, id).await?;
    Ok((StatusCode::ACCEPTED, Json(JobView::load(&desk.tenant, job, key.as_ref()).await?)))
}
