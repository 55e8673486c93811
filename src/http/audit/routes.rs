//! The audit log, for admins: as a list, and as the chain that it is.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

use super::super::auth::is_id;
use super::super::desk::Desk;
use super::super::extract::Params;
use super::super::moments::{of_micros, written};
use super::super::oidc::is_subject;
use super::super::page::{self, Listed};
use super::super::problem::Problem;
use super::super::role::Caller;
use crate::store::{self, AuditFilter, AuditTrail, Audited, StoreError};

/// Lines that are read and sent at a time.
const PIECE: i64 = 1000;

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct AuditParams {
    /// About this dataset (id or name), job or key (id).
    object: Option<String>,
    /// Sent with this key (id), or with a token about this subject (`oidc:` and 32 digits).
    key: Option<String>,
    /// Opened then or later, as `2026-01-31T00:00:00Z`.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Opened before.
    #[param(format = DateTime)]
    until: Option<String>,
    /// `true`: those alone that were never completed.
    open: Option<bool>,
    /// Most items in the answer, 1 to 200; 50 unless given.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A request that wrote something, or read exact facts.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AuditView {
    /// The number of the line that was written before.
    seq: i64,
    /// When that was.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The id of the key, or of the subject of a token (`oidc:...`); null without keys, and for what the server does.
    key: Option<String>,
    /// What the key may do; `operator` for commands on the server and what it destroys by itself.
    role: String,
    /// On whose behalf.
    tenant: String,
    /// The method, `CLI`, or `SWEEP`.
    method: String,
    /// The template of the route, the command, or `retention`.
    route: String,
    /// Ids of what the path named, of what was made, and of what was touched.
    objects: Vec<String>,
    /// The `X-Request-Id`.
    request_id: String,
    /// When the line was written that completes it. Null: it is under way, or a crash cut it off.
    #[serde(with = "time::serde::rfc3339::option")]
    completed_at: Option<OffsetDateTime>,
    /// The status of the answer; null also when it was given up before there was one, because the client went away.
    status: Option<i32>,
}

impl From<Audited> for AuditView {
    fn from(audited: Audited) -> Self {
        let Audited { seq, at_micros, opening, completed_micros, status, touched } = audited;
        let mut objects = opening.objects;
        objects.extend(touched);
        Self {
            seq,
            at: of_micros(at_micros),
            key: opening.key,
            role: opening.role,
            tenant: opening.tenant,
            method: opening.method,
            route: opening.route,
            objects,
            request_id: opening.request_id,
            completed_at: completed_micros.map(of_micros),
            status,
        }
    }
}

/// Who did what: every request that wrote something, or read exact facts about rows, the newest first. What was opened
/// and has no `completed_at` for long was cut off by a crash.
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_audit", tag = "audit", params(AuditParams), responses(
    (status = 200, body = Listed<AuditView>),
    (status = 404, description = "`not_found`: no such dataset", content_type = "application/problem+json"),
))]
pub(in super::super) async fn list(
    desk: Desk,
    Params(params): Params<AuditParams>,
) -> Result<Json<Listed<AuditView>>, Problem> {
    let (limit, example) = (page::limit(params.limit)?, "2026-01-31T00:00:00Z");
    let filter = AuditFilter {
        object: match &params.object {
            Some(object) => Some(id_of(&desk, object).await?),
            None => None,
        },
        key: match params.key {
            Some(key) if !is_id(&key) && !is_subject(&key) => {
                let detail = "the id of a key has 12 digits, that of a token's subject is `oidc:` and 32 digits";
                return Err(Problem::invalid("query.key", detail));
            }
            key => key,
        },
        since: params.since.map(|text| written(&text, ("query.since", example))).transpose()?,
        until: params.until.map(|text| written(&text, ("query.until", example))).transpose()?,
        open: params.open.unwrap_or(false),
        before: match params.cursor.map(|cursor| cursor.parse::<i64>()) {
            Some(Err(_)) => {
                return Err(Problem::invalid("query.cursor", "a cursor is the `next_cursor` of the page before"));
            }
            cursor => cursor.and_then(Result::ok),
        },
    };
    let found = store::list_audit(&desk.tenant, &filter, limit + 1).await?;
    Ok(Json(Listed::cut(found.into_iter().map(AuditView::from).collect(), limit, |view: &AuditView| {
        view.seq.to_string()
    })))
}

/// An id as it is, or that of the dataset with this name.
async fn id_of(desk: &Desk, object: &str) -> Result<String, Problem> {
    if is_id(object) {
        return Ok(object.to_owned());
    }
    match store::find_dataset(&desk.tenant, object).await {
        Ok(dataset) => Ok(dataset.id.to_string()),
        // Of a job, or of a dataset that was deleted.
        Err(StoreError::NotFound(_)) if uuid::Uuid::try_parse(object).is_ok() => Ok(object.to_ascii_lowercase()),
        Err(error) => Err(error.into()),
    }
}

/// The whole log as it is chained, from the first line to the last one of now. `dp2stage verify FILE` reads it again, and
/// finds whatever was changed, removed or moved. There is one chain: where other tenants have lines in it, it is for the
/// operator alone, as `dp2stage verify` on the server.
#[utoipa::path(get, path = "/v1/audit/chain", operation_id = "export_audit_chain", tag = "audit", responses(
    (status = 200, description = "an object with `format`, `version`, `entries`, `head` and `lines`", body = Object,
        content_type = "application/json"),
    (status = 403, description = "`forbidden`: other tenants have lines in it", content_type = "application/problem+json"),
))]
pub(in super::super) async fn chain(desk: Desk, caller: Caller) -> Result<Response, Problem> {
    if !store::audit_is_of(&desk.operator, &caller.tenant).await? {
        let detail = "the log has lines of other tenants, and is one chain: your own are at /v1/audit, and the operator \
                      checks all of it with `dp2stage verify` on the server";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "The log is not yours alone", detail));
    }
    let end = store::audit_end(&desk.operator).await?;
    let (pieces, text) = mpsc::channel(2);
    tokio::spawn(async move {
        let beginning = AuditTrail::beginning((end.0, &end.1));
        if pieces.send(Ok(Bytes::from(beginning))).await.is_ok()
            && let Err(error) = send_lines(&desk, end.0, &pieces).await
        {
            // The status has been sent: break the connection, so that nobody takes a part for the whole.
            tracing::error!(%error, "an export of the audit log broke off");
            let _ = pieces.send(Err(std::io::Error::other("broken off"))).await;
        }
    });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, Body::from_stream(ReceiverStream::new(text))).into_response())
}

async fn send_lines(desk: &Desk, last: i64, pieces: &Sender<std::io::Result<Bytes>>) -> Result<(), StoreError> {
    let mut seq = 0;
    while seq < last {
        let lines = store::audit_after(&desk.operator, seq, PIECE.min(last - seq)).await?;
        let mut text = String::new();
        for line in &lines {
            if line.seq > 1 {
                text.push(',');
            }
            text += &serde_json::to_string(line).map_err(|_| StoreError::Unreadable("the audit log"))?;
        }
        seq = lines.last().ok_or(StoreError::NotFound("line of the audit log"))?.seq;
        if pieces.send(Ok(Bytes::from(text))).await.is_err() {
            // The client has gone.
            return Ok(());
        }
    }
    let _ = pieces.send(Ok(Bytes::from_static(AuditTrail::TAIL.as_bytes()))).await;
    Ok(())
}
