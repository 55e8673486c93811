//! Two lines for every write, and for every read of exact private facts: one before, one after.

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponseParts, Response, ResponseParts};
use uuid::Uuid;

use super::super::auth::is_id;
use super::super::desk::Desk;
use super::super::problem::Problem;
use super::super::request_id::RequestId;
use super::super::role::Caller;
use super::super::state::App;
use crate::store::{self, AuditOpening, Role, StoreError};

/// Reads that are told of, each from the least role on that may get something exact, or something large, out of it.
const READS: [(&str, Role); 4] = [
    ("/v1/jobs/{job}/report", Role::Custodian),
    ("/v1/datasets/{dataset}/comparison", Role::Custodian),
    ("/v1/jobs/{job}/attempts", Role::Custodian),
    ("/v1/jobs/{job}/synthetic", Role::Analyst),
];

/// In a response: an id of something that was touched, though the path does not name it.
#[derive(Clone, Debug)]
pub(in super::super) struct Touched(pub Uuid);

impl IntoResponseParts for Touched {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}

/// Lets a request that is told of pass once that is written, and writes how it ended.
pub(in super::super) async fn layer(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let told = match parts.extensions.get::<Caller>().cloned() {
        Some(caller) if is_told(&parts, caller.role) => Some(opening(&app, &mut parts, caller).await?),
        Some(_) => None,
        None => return Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)),
    };
    let request = Request::from_parts(parts, body);
    let Some(opening) = told else { return Ok(next.run(request).await) };
    let Some(line) = app.audit.open(opening).await else {
        let detail = "the audit log cannot be written right now, so nothing was done";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail));
    };
    let response = next.run(request).await;
    let touched = response.extensions().get::<Touched>().map(|touched| touched.0.to_string());
    line.complete(response.status().as_u16(), made(response.headers()).into_iter().chain(touched).collect());
    Ok(response)
}

fn is_told(parts: &Parts, role: Role) -> bool {
    match parts.method {
        // Nothing else has a route that changes anything: axum knows no other methods.
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => true,
        Method::GET | Method::HEAD => READS.iter().any(|(route, least)| *route == template(parts) && role >= *least),
        _ => false,
    }
}

fn template(parts: &Parts) -> &str {
    parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default()
}

async fn opening(app: &App, parts: &mut Parts, caller: Caller) -> Result<AuditOpening, Problem> {
    let objects = objects(&Desk::of(app, &caller), parts).await?;
    Ok(AuditOpening {
        request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
        key: caller.key,
        role: caller.role.word().to_owned(),
        tenant: caller.tenant,
        method: parts.method.to_string(),
        route: template(parts).to_owned(),
        objects,
    })
}

/// The ids in the path. What is none is looked up, and left out when it names nothing: a path may hold anything, and
/// whatever is written here stays.
async fn objects(desk: &Desk, parts: &mut Parts) -> Result<Vec<String>, Problem> {
    let Ok(params) = RawPathParams::from_request_parts(parts, desk).await else { return Ok(Vec::new()) };
    let mut ids = Vec::new();
    for (name, text) in &params {
        let id = match name {
            "key" => is_id(text).then(|| text.to_owned()),
            "dataset" => match store::find_dataset(&desk.tenant, text).await {
                Ok(dataset) => Some(dataset.id.to_string()),
                Err(StoreError::NotFound(_)) => id_of(text),
                Err(error) => return Err(error.into()),
            },
            _ => id_of(text),
        };
        ids.extend(id);
    }
    Ok(ids)
}

fn id_of(text: &str) -> Option<String> {
    Uuid::try_parse(text).ok().map(|id| id.to_string())
}

/// The id of what was made, as the answer's `Location` names it.
fn made(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(header::LOCATION)?.to_str().ok()?.rsplit('/').next()?;
    if is_id(id) { Some(id.to_owned()) } else { id_of(id) }
}
