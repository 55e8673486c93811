//! Errors as problem details (RFC 9457): the one place where domain errors meet HTTP.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::limits::Quota;
use super::webhooks::BadReceiver;
use crate::engine::{Largest, MemoryError};
use crate::model::Trained;
use crate::privacy::{BookFault, Refusal, UnitError};
use crate::store::StoreError;
use crate::tabular::{ParquetError, SchemaError, UploadError};

/// A refusal, ready to be written. The codes are part of the contract.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    extras: Map<String, Value>,
    /// The limit that was met.
    quota: Option<Box<Quota>>,
}

impl Problem {
    /// A problem. `detail` helps the person mend the request and never holds a cell.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), extras: Map::new(), quota: None }
    }

    /// What is wrong, in a few words.
    pub(super) fn title(&self) -> &'static str {
        self.title
    }

    /// What is wrong and what to do, in a sentence.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The same problem, which is that a limit was met.
    pub(super) fn limited(self, quota: Quota) -> Self {
        Self { quota: Some(Box::new(quota)), ..self }
    }

    /// The same problem with one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extras.insert(member.to_owned(), value.into());
        self
    }

    /// 422 for a well-formed request that asks for something impossible.
    #[must_use]
    pub fn invalid(at: &str, detail: impl Into<String>) -> Self {
        let title = "The request is not valid";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "request_invalid", title, detail).with("at", at)
    }

    /// 500 for a ledger that does not add up. The log says where.
    #[must_use]
    pub fn ledger_damaged(fault: &BookFault) -> Self {
        tracing::error!(%fault, "a ledger is damaged");
        let detail = "the ledger was changed behind the service's back; `dp2stage verify` on the server says where";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ledger_damaged", "The ledger does not add up", detail)
    }

    /// The problem that stands for a bare error status of the framework.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        let (code, title, detail) = match status {
            StatusCode::NOT_FOUND => {
                ("not_found", "Not found", "nothing is here; the routes are listed in /openapi.yaml")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "Method not allowed", "this route has other methods; see the Allow header")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "Too large", "the body is larger than this route takes"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "Unsupported media type", "this route does not take this Content-Type")
            }
            s if s.is_client_error() => ("bad_request", "Bad request", "the request could not be understood"),
            _ => ("internal", "Internal error", "something failed on our side; the log has the request id"),
        };
        Self::new(status, code, title, detail)
    }

    /// The body, completed with the id of the request.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Value {
        let mut body = self.extras.clone();
        body.insert("type".into(), json!(format!("urn:dp2stage:problem:{}", self.code)));
        body.insert("title".into(), json!(self.title));
        body.insert("status".into(), json!(self.status.as_u16()));
        body.insert("code".into(), json!(self.code));
        body.insert("detail".into(), json!(self.detail));
        body.insert("request_id".into(), json!(request_id));
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    /// A bare response that carries the problem; the outermost layer writes the body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let again = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some("2"),
            // A place in the queue takes longer than a database.
            StatusCode::TOO_MANY_REQUESTS => Some("30"),
            _ => None,
        };
        if let Some(seconds) = again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if let Some(quota) = &self.quota {
            quota.mark(response.headers_mut());
            response.headers_mut().insert(header::RETRY_AFTER, quota.retry_after().into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        use StoreError as E;
        let detail = error.to_string();
        let of = |status, code, title| Self::new(status, code, title, detail.clone());
        match error {
            E::NotFound(_) => of(StatusCode::NOT_FOUND, "not_found", "Not found"),
            E::NameTaken => of(StatusCode::CONFLICT, "state_conflict", "The name is taken"),
            E::NoRows => of(StatusCode::CONFLICT, "state_conflict", "The dataset has no rows"),
            E::Gone { .. } => of(StatusCode::GONE, "gone", "No longer kept"),
            E::StateConflict(_) => of(StatusCode::CONFLICT, "state_conflict", "The job is in a final state"),
            E::LastAdmin => of(StatusCode::CONFLICT, "state_conflict", "The last admin key"),
            E::DatasetInUse => of(StatusCode::CONFLICT, "state_conflict", "The dataset is in use"),
            E::PopulationMismatch(_) => of(StatusCode::CONFLICT, "state_conflict", "The budget is another one"),
            E::Stale => of(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment"),
            E::QueueFull(_) => of(StatusCode::TOO_MANY_REQUESTS, "queue_full", "The queue is full"),
            E::NotPublic => of(StatusCode::UNPROCESSABLE_ENTITY, "request_invalid", "The request is not valid"),
            E::GrantLowered => of(StatusCode::UNPROCESSABLE_ENTITY, "request_invalid", "The request is not valid"),
            E::IdempotencyMismatch => {
                of(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", "The key belongs to another request")
            }
            E::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the database cannot be reached");
                of(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment")
            }
            E::Database(cause) => {
                tracing::error!(error = %cause, "the database refused a statement");
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
            E::Blob(cause) => storage(&cause),
            other @ (E::BudgetExhausted(_)
            | E::LeaseLost
            | E::Cancelled
            | E::ReservationExhausted
            | E::Rewound(_)
            | E::Migration(_)
            | E::TooOld { .. }
            | E::Keys(_)
            | E::Unreadable(_)) => {
                tracing::error!(error = %other, "an error that no route should meet");
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// A job that does not fit, and the largest epsilon with which the same job would.
pub(super) fn exhausted(refusal: &Refusal, largest_next_epsilon: f64) -> Problem {
    let detail = format!(
        "the job asks for {:.4} of the budget and {:.4} remains; the largest epsilon with which it still fits is \
         {largest_next_epsilon}",
        refusal.requested, refusal.shares.remaining,
    );
    Problem::new(StatusCode::CONFLICT, "budget_exhausted", "The budget does not allow this job", detail)
        .with("requested", refusal.requested)
        .with("spent", refusal.shares.spent)
        .with("reserved", refusal.shares.reserved)
        .with("remaining", refusal.shares.remaining)
        .with("largest_next_epsilon", largest_next_epsilon)
}

impl From<MemoryError> for Problem {
    fn from(error: MemoryError) -> Self {
        let detail = error.to_string();
        match error {
            // A schema that was stored and a plan that was made from it a moment ago.
            MemoryError::Plan(cause) => {
                tracing::error!(error = %cause, "a plan does not fit its schema");
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
            MemoryError::TooLarge { needed, limit, largest } => {
                let title = "The job does not fit in memory";
                let detail = format!("{detail}{}", advice(&largest));
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "job_too_large", title, detail)
                    .with("memory_bytes", needed)
                    .with("memory_limit_bytes", limit)
                    .with("largest", settings(&largest))
            }
        }
    }
}

/// Settings that fit, by the names that a request has for them.
pub(super) fn settings(largest: &Largest) -> Value {
    json!({ "rows": largest.rows, "stage2": largest.trained.iter().map(|&trained| word(trained)).collect::<Vec<_>>() })
}

fn advice(largest: &Largest) -> String {
    let rows = largest.rows.map(|rows| format!("at most {rows} rows"));
    let methods = largest.trained.iter().map(|&trained| format!("stage2 = \"{}\"", word(trained)));
    let all: Vec<String> = rows.into_iter().chain(methods).collect();
    if all.is_empty() {
        return ": no number of rows and no stage2 would fit; the operator may raise workers.memory_bytes".into();
    }
    format!(": it would fit with {}", all.join(", or with "))
}

/// The word of a request for what stage 2 trains.
fn word(trained: Trained) -> &'static str {
    match trained {
        Trained::Full => "full",
        Trained::Lora { .. } => "lora",
        Trained::Heads => "heads",
        Trained::Adapter { .. } => "adapter",
    }
}

/// A fault of the storage: that it is full is said so, the rest is ours.
pub(super) fn storage(cause: &std::io::Error) -> Problem {
    tracing::error!(error = %cause, "storage failed");
    let detail = match cause.kind() {
        std::io::ErrorKind::StorageFull => {
            "the server's disk is full; nothing was stored: the operator may free space, or lower storage.min_free_bytes"
        }
        std::io::ErrorKind::QuotaExceeded => {
            "the storage's quota is used up; nothing was stored: delete datasets, or have storage.quota_bytes raised"
        }
        _ => return Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR),
    };
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", "No space left", detail)
}

impl From<SchemaError> for Problem {
    fn from(error: SchemaError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "schema_invalid", "The schema is not valid", error.to_string())
            .with("at", error.at)
    }
}

impl From<BadReceiver> for Problem {
    fn from(error: BadReceiver) -> Self {
        Self::invalid("webhook", error.to_string())
    }
}

impl From<UnitError> for Problem {
    fn from(error: UnitError) -> Self {
        Self::invalid(error.unit, error.to_string())
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let (detail, code) = (error.to_string(), error.code());
        match error {
            UploadError::Csv(table) | UploadError::JsonLines(table) | UploadError::Parquet(table) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "The table is not valid", detail)
                    .with("problems", serde_json::to_value(&table.problems).unwrap_or_default())
                    .with("stopped", table.stopped)
            }
            UploadError::Gzip(_) | UploadError::Zstd(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "The compression is not valid", detail)
            }
            UploadError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, "Too large", detail),
        }
    }
}

impl From<ParquetError> for Problem {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::Refused(refusal) => refusal.into(),
            ParquetError::Source(cause) => storage(&cause),
        }
    }
}
