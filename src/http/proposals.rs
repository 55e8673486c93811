//! A schema that is guessed from a table, which is read and not kept.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::desk::Desk;
use super::problem::Problem;
use crate::tabular::{Inflate, Proposal, Proposer, UploadError, UploadLimits};

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
#[utoipa::path(post, path = "/v1/schema-proposals", tag = "datasets",
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

/// A table under way: perhaps packed, and of a bounded size.
struct Reading {
    inflate: Option<Inflate>,
    table: Bounded,
}

/// The part behind the unpacker.
struct Bounded {
    proposer: Proposer,
    bytes: u64,
    limit: u64,
}

impl Reading {
    fn new(headers: &HeaderMap, limits: UploadLimits) -> Result<Self, Problem> {
        let refuse = |detail: &str| {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", detail)
        };
        let text = |name| headers.get(name).map_or("", |v| v.to_str().unwrap_or("?")).trim().to_ascii_lowercase();
        if text(header::CONTENT_TYPE).split(';').next().map(str::trim) != Some("text/csv") {
            return Err(refuse("send the table with Content-Type: text/csv"));
        }
        let inflate = match &*text(header::CONTENT_ENCODING) {
            "" | "identity" => None,
            "gzip" => Some(Inflate::new(&limits)),
            _ => return Err(refuse("Content-Encoding may be gzip, or be left out")),
        };
        Ok(Self { inflate, table: Bounded { proposer: Proposer::new(limits), bytes: 0, limit: limits.table_bytes } })
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), UploadError> {
        match &mut self.inflate {
            None => self.table.push(chunk),
            Some(inflate) => inflate.push(chunk, |piece| self.table.push(piece)),
        }
    }

    fn finish(mut self) -> Result<Proposal, UploadError> {
        if let Some(inflate) = self.inflate.take() {
            inflate.finish(|piece| self.table.push(piece))?;
        }
        self.table.proposer.finish().map_err(UploadError::Csv)
    }
}

impl Bounded {
    fn push(&mut self, piece: &[u8]) -> Result<(), UploadError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.limit {
            return Err(UploadError::TooLarge { limit: self.limit });
        }
        self.proposer.push(piece).map_err(UploadError::Csv)
    }
}
