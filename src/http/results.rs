//! What a succeeded job left: the synthetic table and the report.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::extract::{JobId, Params};
use super::problem::{Problem, storage};
use super::state::App;
use crate::store::{self, ArtifactKind, Job, JobStatus};
use crate::tabular::{CsvText, Declaration, decode};

/// Which part of the table, in which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SyntheticParams {
    /// `csv`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// The first so many rows; all unless given.
    rows: Option<usize>,
}

/// A form of tables.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Csv,
}

/// The synthetic table. It is differentially private and may leave the house.
#[utoipa::path(get, path = "/v1/jobs/{job}/synthetic", tag = "results",
    params(("job" = Uuid, Path, description = "id"), SyntheticParams), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: the job has not succeeded", content_type = "application/problem+json"),
))]
pub(super) async fn synthetic(
    State(app): State<App>,
    JobId(id): JobId,
    Params(params): Params<SyntheticParams>,
) -> Result<Response, Problem> {
    let Format::Csv = params.format;
    let job = succeeded(&app, id).await?;
    let dataset = store::find_dataset(&app.pool, &job.dataset_id.to_string()).await?;
    let schema = Declaration::from_json(&dataset.schema)?.schema;
    let bytes = blob(&app, id, ArtifactKind::Synthetic).await?;
    let table = decode(&bytes, &schema).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?.train;
    let text = CsvText::new(Arc::new(schema), Arc::new(table), params.rows);
    let chunks = futures_util::stream::iter(text.map(|c| Ok::<_, std::convert::Infallible>(Bytes::from(c))));
    let name: String = job.dataset_name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-synthetic.csv\"")),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// The report on the synthetic table: exact figures over private rows, for the custodian alone.
#[utoipa::path(get, path = "/v1/jobs/{job}/report", tag = "results",
    params(("job" = Uuid, Path, description = "id")), responses(
    (status = 200, body = crate::report::CustodianReport),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: the job has not succeeded", content_type = "application/problem+json"),
))]
pub(super) async fn report(State(app): State<App>, JobId(id): JobId) -> Result<Response, Problem> {
    succeeded(&app, id).await?;
    let bytes = blob(&app, id, ArtifactKind::Report).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

async fn succeeded(app: &App, id: Uuid) -> Result<Job, Problem> {
    let job = store::find_job(&app.pool, id).await?;
    if job.status == JobStatus::Succeeded {
        return Ok(job);
    }
    let word = job.status.word();
    let detail = format!("the job is {word}; results exist once it has succeeded");
    Err(Problem::new(StatusCode::CONFLICT, "state_conflict", "There are no results", detail).with("status", word))
}

async fn blob(app: &App, job: Uuid, kind: ArtifactKind) -> Result<Vec<u8>, Problem> {
    let artifact = store::artifact(&app.pool, job, kind).await?;
    let blobs = app.blobs.clone();
    let read = tokio::task::spawn_blocking(move || blobs.read(&artifact.blob)).await;
    read.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?.map_err(|e| storage(&e))
}
