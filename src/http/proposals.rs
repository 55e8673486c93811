//! A schema that is guessed from a table, which is read and not kept.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::desk::Desk;
use super::media::{said, unsupported};
use super::problem::Problem;
use crate::tabular::{Packing, Proposal, Proposer, Unpacked, UploadError, UploadLimits};

/// Bytes of the table that are read at most, unpacked. A part of a large one will do.
const MOST: u64 = 64 << 20;

/// What a table looks like: to be edited, and then declared.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProposalView {
    /// A declaration. Numbers and dates have round ends that are wider than what was read; categories are as they were
    /// read. A column that nothing could be guessed of has none.
    #[schema(value_type = Object)]
    schema: Value,
    /// Always true: what the schema says was read from private rows. A declaration is public, and must be public
    /// knowledge: take out what is not.
    read_from_private_rows: bool,
    /// Whether it could be declared as it stands.
    complete: bool,
    /// By the names of columns: what should be looked at.
    #[schema(value_type = Object)]
    notes: BTreeMap<String, Vec<String>>,
    /// Rows that were read, exactly: for the custodian's eye alone.
    rows: u64,
}

impl From<Proposal> for ProposalView {
    fn from(proposal: Proposal) -> Self {
        let Proposal { schema, notes, rows, complete } = proposal;
        Self { schema, read_from_private_rows: true, complete, notes, rows }
    }
}

/// Propose a schema: the table as the raw body, CSV with a header, of which at most 64 MiB are taken; a part will do.
/// Nothing is stored, and nothing is spent, because nothing is released: what the answer says is for the custodian alone,
/// who decides what of it is public.
#[utoipa::path(post, path = "/v1/schema-proposals", operation_id = "propose_schema", tag = "datasets",
    params(("Content-Encoding" = Option<String>, Header, description = "`gzip` or none")),
    request_body(content = String, content_type = "text/csv"), responses(
    (status = 200, body = ProposalView),
    (status = 408, description = "`upload_stalled`: nothing came for 30 seconds", content_type = "application/problem+json"),
    (status = 413, description = "`table_too_large`: send a part", content_type = "application/problem+json"),
    (status = 415, description = "`unsupported_media_type`", content_type = "application/problem+json"),
    (status = 422, description = "`csv_invalid` with `problems` of `{row, column, reason}`, never a value; `gzip_invalid`, \
        `gzip_truncated`, `gzip_trailing`, `gzip_ratio`", content_type = "application/problem+json"),
))]
pub(super) async fn create(desk: Desk, request: Request) -> Result<Json<ProposalView>, Problem> {
    let limits = UploadLimits { table_bytes: MOST.min(desk.limits.table_bytes), ..desk.limits };
    let mut reading = Reading::new(request.headers(), limits)?;
    let mut body = request.into_body().into_data_stream();
    loop {
        let stalled = |_| {
            let detail = "nothing came for a while; nothing was stored";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "upload_stalled", "The upload stalled", detail)
        };
        let chunk = tokio::time::timeout(limits.patience, body.next()).await.map_err(stalled)?;
        let Some(chunk) = chunk else { break };
        // The client went away, or broke the framing: there is nobody to answer to.
        reading.push(&chunk.map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST))?)?;
    }
    Ok(Json(reading.finish()?.into()))
}

/// A table under way.
struct Reading {
    unpacked: Unpacked,
    proposer: Proposer,
}

impl Reading {
    fn new(headers: &HeaderMap, limits: UploadLimits) -> Result<Self, Problem> {
        Ok(Self { unpacked: Unpacked::new(packing(headers)?, &limits), proposer: Proposer::new(limits) })
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), UploadError> {
        self.unpacked.push(chunk, |piece| self.proposer.push(piece).map_err(UploadError::Csv))
    }

    fn finish(mut self) -> Result<Proposal, UploadError> {
        self.unpacked.finish(|piece| self.proposer.push(piece).map_err(UploadError::Csv))?;
        self.proposer.finish().map_err(UploadError::Csv)
    }
}

/// How the CSV that headers tell of is packed.
fn packing(headers: &HeaderMap) -> Result<Packing, Problem> {
    match said(headers) {
        (kind, _) if kind != "text/csv" => Err(unsupported("send the table with Content-Type: text/csv")),
        (_, encoding) => match encoding.as_str() {
            "" | "identity" => Ok(Packing::Plain),
            "gzip" => Ok(Packing::Gzip),
            _ => Err(unsupported("Content-Encoding may be gzip, or be left out")),
        },
    }
}
