//! What a succeeded job left: the synthetic table.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use uuid::Uuid;

use super::desk::Desk;
use super::extract::{JobId, Params};
use super::problem::Problem;
use super::tagged::{unchanged, with_tag};
use crate::store::{self, ArtifactKind, Blob, Blobs, Job, JobStatus};
use crate::tabular::{CsvText, RowsReader, Schema, Table};

/// Rows that are turned into text at a time.
const PIECE: usize = 4096;

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
    /// Texts as they were declared. Unless true, a text that spreadsheets would take for a formula (one that begins with
    /// `=`, `+`, `-`, `@`, a tab or a line end) has an apostrophe before it; numbers are the same in both forms.
    #[serde(default)]
    raw: bool,
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
    (status = 200, body = String, content_type = "text/csv", headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: the job has not succeeded", content_type = "application/problem+json"),
    (status = 410, description = "`gone`: what the job left is kept no longer", content_type = "application/problem+json"),
))]
pub(super) async fn synthetic(
    desk: Desk,
    JobId(id): JobId,
    Params(params): Params<SyntheticParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Format::Csv = params.format;
    let job = succeeded(&desk, id).await?;
    let dataset = store::dataset_of_job(&desk.tenant, job.id).await?;
    let schema = dataset.declared()?;
    let artifact = store::artifact(&desk.tenant, id, ArtifactKind::Synthetic).await?;
    // No two blobs share a name; the rest says what was made of it.
    let rows = params.rows.map_or_else(String::new, |rows| format!("-{rows}"));
    let form = if params.raw { "csv1" } else { "csv2" };
    let tag = format!("{}-{form}{rows}", &artifact.blob.name);
    if let Some(unchanged) = unchanged(&tag, &headers) {
        return Ok(unchanged);
    }
    let (chunks, text) = mpsc::channel(2);
    let blobs = desk.blobs.clone();
    tokio::task::spawn_blocking(move || {
        let send = |chunk: String| chunks.blocking_send(Ok(Bytes::from(chunk))).is_ok();
        if let Err(fault) = export((&blobs, &artifact.blob), &schema, (params.rows, params.raw), send) {
            // The status has been sent: break the connection, so that nobody takes a part for the whole.
            tracing::error!(error = %fault, "a download broke off");
            let _ = chunks.blocking_send(Err(fault));
        }
    });
    let name: String = job.dataset_name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let kind = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}-synthetic.csv\"")),
    ];
    Ok(with_tag((kind, Body::from_stream(ReceiverStream::new(text))).into_response(), &tag))
}

/// Writes a stored table as CSV (so many rows; raw or for spreadsheets too), piece by piece, until `send` says that nobody
/// listens any more: memory does not grow with the table.
pub(super) fn export(
    (blobs, blob): (&Blobs, &Blob),
    schema: &Schema,
    (rows, raw): (Option<usize>, bool),
    mut send: impl FnMut(String) -> bool,
) -> io::Result<()> {
    let (mut reader, mut codes) = (RowsReader::new(blobs.reader(blob)?, schema).map_err(io::Error::other)?, Vec::new());
    let (mut left, mut first) = (rows.unwrap_or(usize::MAX), true);
    loop {
        let mut piece = Table::new(schema.width(), Vec::new());
        while piece.rows() < PIECE.min(left) && reader.next(&mut codes).map_err(io::Error::other)?.is_some() {
            piece.push(&codes);
        }
        left -= piece.rows();
        let done = piece.rows() < PIECE;
        let text = if first { CsvText::new(schema, &piece, None) } else { CsvText::continued(schema, &piece) };
        first = false;
        // A client that has gone needs no more.
        if !text.raw(raw).all(&mut send) || done {
            return Ok(());
        }
    }
}

pub(super) async fn succeeded(desk: &Desk, id: Uuid) -> Result<Job, Problem> {
    let job = store::find_job(&desk.tenant, id).await?;
    if job.status == JobStatus::Succeeded {
        return Ok(job);
    }
    let word = job.status.word();
    let detail = format!("the job is {word}; results exist once it has succeeded");
    Err(Problem::new(StatusCode::CONFLICT, "state_conflict", "There are no results", detail).with("job_status", word))
}
