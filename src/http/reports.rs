//! Reports on synthetic tables: JSON for programs, a page for people.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::desk::Desk;
use super::extract::{JobId, Params};
use super::form::{Form, page, varied};
use super::problem::{Problem, storage};
use super::results::succeeded;
use super::role::{Caller, ViewParams};
use super::tagged::{tagged, unchanged, with_tag};
use crate::report::released::ReleasedFigures;
use crate::report::{About, CustodianReport, Section, custodian_page, released_page};
use crate::store::{self, ArtifactKind, Blob, CustodianKey, Dataset, Job, StoreError};

/// What everyone may know about a synthetic table: what is public, and figures that were paid for.
#[derive(Debug, Serialize, ToSchema)]
struct ReleasedReport {
    /// `released`.
    view: &'static str,
    /// Synthetic rows.
    rows: u64,
    /// The epsilon of the job by itself.
    epsilon: f64,
    /// Its delta.
    delta: f64,
    /// Everything private that was done, with the names of Google's `dp_accounting.DpEvent`.
    #[schema(value_type = Object)]
    event: Value,
    /// How close the table comes to the real one, where the job bought it with `report.released_epsilon`.
    figures: Section<ReleasedFigures>,
}

impl ReleasedReport {
    fn of(job: &Job, figures: Section<ReleasedFigures>) -> Self {
        let rows = job.plan["rows"].as_u64().unwrap_or_default();
        let event = job.plan["event"].clone();
        Self { view: "released", rows, epsilon: job.epsilon, delta: job.delta, event, figures }
    }
}

/// The report on the synthetic table. For custodians: exact figures over private rows, which are not
/// differentially private. For analysts, or with `?view=released`: what is public. With `Accept: text/html` a page
/// for people, one file that loads nothing.
#[utoipa::path(get, path = "/v1/jobs/{job}/report", operation_id = "get_report", tag = "results",
    params(("job" = Uuid, Path, description = "id"), ViewParams), responses(
    (status = 200, content((inline(AnyReport) = "application/json"), (String = "text/html")),
        headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 403, description = "`forbidden`: the custodian's view with an analyst's key", content_type = "application/problem+json"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: the job has not succeeded", content_type = "application/problem+json"),
    (status = 410, description = "`gone`: what the job left is kept no longer", content_type = "application/problem+json"),
))]
pub(super) async fn report(
    desk: Desk,
    caller: Caller,
    JobId(id): JobId,
    Params(params): Params<ViewParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (form, key) = (Form::wanted(&headers), caller.key_for(params.view)?);
    let job = succeeded(&desk, id).await?;
    // What is released of a job goes with what it left.
    store::artifacts(&desk.tenant, job.id).await?;
    match (key, form) {
        (Some(key), form) => exact(&desk, &job, (key, form), &headers).await,
        (None, Form::Json) => tagged(&ReleasedReport::of(&job, figures(&desk, &job).await?), &headers).map(varied),
        (None, Form::Html) => {
            let dataset = store::dataset_of_job(&desk.tenant, job.id).await?;
            let rows = job.plan["rows"].as_u64().unwrap_or_default();
            let figures = figures(&desk, &job).await?;
            Ok(page(released_page(&about(&job, &dataset), rows, &figures), &headers))
        }
    }
}

/// The figures that a job bought for everybody. Nothing but what was bought is in that blob.
pub(super) async fn figures(desk: &Desk, job: &Job) -> Result<Section<ReleasedFigures>, Problem> {
    match store::artifact(&desk.tenant, job.id, ArtifactKind::Figures).await {
        Ok(artifact) => stored(&content(desk, artifact.blob).await?),
        Err(gone @ StoreError::Gone { .. }) => Ok(Section::Absent { absent: gone.to_string() }),
        Err(StoreError::NotFound(_)) => {
            let absent = "The job did not buy any: `report.released_epsilon`. How close the table comes to the real one is \
                          known to its custodian.";
            Ok(Section::Absent { absent: absent.into() })
        }
        Err(error) => Err(error.into()),
    }
}

/// The custodian's report.
async fn exact(
    desk: &Desk,
    job: &Job,
    (key, form): (CustodianKey, Form),
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let artifact = store::artifact(&desk.tenant, job.id, ArtifactKind::Report).await?;
    if form == Form::Json
        && let Some(unchanged) = unchanged(&artifact.blob.name, headers)
    {
        return Ok(varied(unchanged));
    }
    let bytes = exact_report(desk, artifact.blob.clone(), &key).await?;
    if form == Form::Json {
        let json = ([(header::CONTENT_TYPE, "application/json")], bytes).into_response();
        return Ok(varied(with_tag(json, &artifact.blob.name)));
    }
    let report = read_report(&bytes)?;
    let dataset = store::dataset_of_job(&desk.tenant, job.id).await?;
    Ok(page(custodian_page(&about(job, &dataset), &report), headers))
}

/// What a page says about a job.
pub(super) fn about(job: &Job, dataset: &Dataset) -> About {
    About {
        dataset: job.dataset_name.clone(),
        job: job.id.to_string(),
        finished: finished(job),
        epsilon: job.epsilon,
        delta: job.delta,
        public: job.free,
        rows_of_person: dataset.persons().map(|persons| persons.max_rows.get()),
        event: serde_json::from_value(job.plan["event"].clone()).ok(),
        request: job.request.clone(),
    }
}

/// When a job ended, to the second.
pub(super) fn finished(job: &Job) -> String {
    let at = job.finished_at.and_then(|at| at.replace_nanosecond(0).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A stored report, also one of an earlier version.
pub(super) fn read_report(bytes: &[u8]) -> Result<CustodianReport, Problem> {
    stored(bytes)
}

fn stored<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::error!(%error, "a stored report cannot be read");
        Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

/// One of the two.
#[derive(ToSchema)]
#[schema(as = Report)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of an answer that is read from a blob, or made from a job")]
enum AnyReport {
    Custodian(Box<CustodianReport>),
    Released(Box<ReleasedReport>),
}

/// The exact report as it was stored; nobody gets it without the proof.
pub(super) async fn exact_report(desk: &Desk, blob: Blob, _: &CustodianKey) -> Result<Vec<u8>, Problem> {
    content(desk, blob).await
}

async fn content(desk: &Desk, blob: Blob) -> Result<Vec<u8>, Problem> {
    let blobs = desk.blobs.clone();
    let read = tokio::task::spawn_blocking(move || blobs.read(&blob)).await;
    read.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?.map_err(|e| storage(&e))
}
