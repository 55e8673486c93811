//! What a succeeded job left: the synthetic table.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;
use uuid::Uuid;

use super::desk::Desk;
use super::extract::{JobId, Params};
use super::media::{TableFormat, accepted, encoding};
use super::problem::Problem;
use super::tagged::{unchanged, with_tag};
use crate::store::{self, ArtifactKind, Blob, Blobs, Job, JobStatus};
use crate::tabular::{Form, Packer, Packing, RowsReader, Schema, Table, TableWriter};

/// Rows that are turned into text at a time.
const PIECE: usize = 4096;

/// Which part of the table, in which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SyntheticParams {
    /// `csv`, `jsonl` or `parquet`.
    #[serde(default)]
    #[param(inline)]
    format: TableFormat,
    /// The first so many rows; all unless given.
    rows: Option<usize>,
    /// Texts as they were declared. Unless true, a text that spreadsheets would take for a formula (one that begins with
    /// `=`, `+`, `-`, `@`, a tab or a line end) has an apostrophe before it; numbers are the same in both forms.
    #[serde(default)]
    raw: bool,
}

/// The synthetic table. It is differentially private and may leave the house. In Parquet and JSON Lines types are kept, and texts
/// are as they were declared.
#[utoipa::path(get, path = "/v1/jobs/{job}/synthetic", operation_id = "get_synthetic", tag = "results",
    params(("job" = Uuid, Path, description = "id"), SyntheticParams), responses(
    (status = 200, content(
        (String = "text/csv"), (String = "application/jsonl"), (String = "application/vnd.apache.parquet")),
        headers(("ETag", description = "for If-None-Match"),
                ("Content-Encoding", description = "`zstd` or `gzip`, as Accept-Encoding has it; Parquet is packed within"))),
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
    let job = succeeded(&desk, id).await?;
    let dataset = store::dataset_of_job(&desk.tenant, job.id).await?;
    let schema = dataset.declared()?;
    let artifact = store::artifact(&desk.tenant, id, ArtifactKind::Synthetic).await?;
    // No two blobs share a name; the rest says what was made of it.
    let rows = params.rows.map_or_else(String::new, |rows| format!("-{rows}"));
    let form = match params.format {
        TableFormat::Csv if params.raw => "csv1",
        TableFormat::Csv => "csv2",
        TableFormat::Jsonl => "jsonl1",
        TableFormat::Parquet => "parquet1",
    };
    let packing = if params.format == TableFormat::Parquet { Packing::Plain } else { accepted(&headers) };
    let packed = encoding(packing).map_or_else(String::new, |name| format!("-{name}"));
    let tag = format!("{}-{form}{rows}{packed}", &artifact.blob.name);
    if let Some(unchanged) = unchanged(&tag, &headers) {
        return Ok(unchanged);
    }
    let (chunks, text) = mpsc::channel(2);
    let blobs = desk.blobs.clone();
    tokio::task::spawn_blocking(move || {
        let mut packer = Packer::new(packing);
        let send = |bytes: Vec<u8>| bytes.is_empty() || chunks.blocking_send(Ok(Bytes::from(bytes))).is_ok();
        let shape = Shape { form: params.format.form(), rows: params.rows, raw: params.raw };
        let sent = packer
            .as_mut()
            .map_err(|e| io::Error::from(e.kind()))
            .and_then(|packer| export((&blobs, &artifact.blob), &schema, shape, |bytes| Ok(send(packer.push(bytes)?))));
        let ended = sent.and_then(|whole| if whole { packer?.finish().map(send) } else { Ok(false) });
        if let Err(fault) = ended {
            // The status has been sent: break the connection, so that nobody takes a part for the whole.
            tracing::error!(error = %fault, "a download broke off");
            let _ = chunks.blocking_send(Err(fault));
        }
    });
    let name: String = job.dataset_name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let file = format!("attachment; filename=\"{name}-synthetic.{}\"", params.format.extension());
    let kind = [
        (header::CONTENT_TYPE, params.format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, file),
        (header::VARY, "accept-encoding".to_owned()),
    ];
    let mut response = (kind, Body::from_stream(ReceiverStream::new(text))).into_response();
    if let Some(name) = encoding(packing) {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(with_tag(response, &tag))
}

/// What of a table is written, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// The form.
    pub form: Form,
    /// So many rows; all unless given.
    pub rows: Option<usize>,
    /// Of a CSV: texts as they were declared.
    pub raw: bool,
}

/// Writes a stored table piece by piece, until `send` says that nobody listens any more: memory does not grow with the table.
/// Says whether all was sent.
pub(super) fn export(
    (blobs, blob): (&Blobs, &Blob),
    schema: &Schema,
    shape: Shape,
    mut send: impl FnMut(Vec<u8>) -> io::Result<bool>,
) -> io::Result<bool> {
    let (mut reader, mut codes) = (RowsReader::new(blobs.reader(blob)?, schema).map_err(io::Error::other)?, Vec::new());
    let (mut left, mut writer) = (shape.rows.unwrap_or(usize::MAX), TableWriter::new(schema, shape.form, shape.raw));
    loop {
        let mut piece = Table::new(schema.width(), Vec::new());
        while piece.rows() < PIECE.min(left) && reader.next(&mut codes).map_err(io::Error::other)?.is_some() {
            piece.push(&codes);
        }
        left -= piece.rows();
        let done = piece.rows() < PIECE;
        // A client that has gone needs no more.
        if !send(writer.push(&piece)?)? {
            return Ok(false);
        }
        if done {
            return send(writer.finish()?);
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
