//! Listing, reading, waiting for and cancelling jobs.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use utoipa::IntoParams;
use uuid::Uuid;

use super::extract::{JobId, Params};
use super::job_view::JobView;
use super::page::{Page, PageParams};
use super::problem::Problem;
use super::role::{Caller, View};
use super::state::App;
use crate::store::{self, Bell, Job, JobFilter, JobStatus, Ring};

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

/// Jobs, newest first.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", params(JobParams), responses(
    (status = 200, body = Page<JobView>),
    (status = 404, description = "`not_found`: no such dataset", content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(params): Params<JobParams>,
) -> Result<Json<Page<JobView>>, Problem> {
    let key = caller.key_for(params.view)?;
    let limit = PageParams { limit: params.limit, ..PageParams::default() }.limit()?;
    let dataset = match &params.dataset {
        Some(name) => Some(store::find_dataset(&app.pool, name).await?.id),
        None => None,
    };
    let filter = JobFilter { dataset, status: params.status, before: params.cursor };
    let mut items = Vec::new();
    for job in store::list_jobs(&app.pool, filter, limit + 1).await? {
        items.push(JobView::load(&app.pool, job, key.as_ref()).await?);
    }
    Ok(Json(Page::cut(items, limit, |j| j.id)))
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
#[utoipa::path(get, path = "/v1/jobs/{job}", tag = "jobs",
    params(("job" = Uuid, Path, description = "id"), WaitParams), responses(
    (status = 200, body = JobView, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn get(
    State(app): State<App>,
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
    let job = changed(&app, id, Duration::from_secs(wait)).await?;
    let view = JobView::load(&app.pool, job, key.as_ref()).await?;
    tagged(&view, &headers)
}

/// The job, once its state is not what it was, or time is up.
async fn changed(app: &App, id: Uuid, wait: Duration) -> Result<Job, Problem> {
    let until = Instant::now() + wait;
    let mut listener = app.bell.listener();
    let first = store::find_job(&app.pool, id).await?;
    if wait.is_zero() || first.status.is_final() {
        return Ok(first);
    }
    loop {
        let left = until.saturating_duration_since(Instant::now());
        tokio::select! {
            () = app.stopping.cancelled() => {}
            () = Bell::wait(&mut listener, Ring::Job(id), left.min(LOOK)) => {}
        }
        let job = store::find_job(&app.pool, id).await?;
        if job.status != first.status || Instant::now() >= until || app.stopping.is_cancelled() {
            return Ok(job);
        }
    }
}

/// A JSON answer with an `ETag`, or 304 when the client has it.
fn tagged(view: &JobView, headers: &HeaderMap) -> Result<Response, Problem> {
    let body = serde_json::to_vec(view).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&body)[..12]));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    // RFC 9110, section 13.1.2: any tag will do for `*`, and weak tags compare like strong ones.
    let same = |t: &str| t == "*" || t.strip_prefix("W/").unwrap_or(t) == tag;
    let mut response = if known.is_some_and(|k| k.split(',').any(|t| same(t.trim()))) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// Cancel a job: at once when queued, within two steps when running. What was charged stays charged.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel", tag = "jobs",
    params(("job" = Uuid, Path, description = "id")), responses(
    (status = 202, body = JobView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: it has succeeded or failed", content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    JobId(id): JobId,
) -> Result<impl IntoResponse, Problem> {
    let key = caller.key_for(None)?;
    store::cancel(&app.pool, id).await?;
    let job = store::find_job(&app.pool, id).await?;
    Ok((StatusCode::ACCEPTED, Json(JobView::load(&app.pool, job, key.as_ref()).await?)))
}
