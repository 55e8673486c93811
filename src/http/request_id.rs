//! The outermost layer: gives each request an id, and every error its body.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::Empty;
use uuid::Uuid;

use super::problem::Problem;

static HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from a client.
const LONGEST: usize = 64;

/// The id of a request, for whoever tells of it.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub String);

/// In a response: its body says what is wrong in a form of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dressed;

/// Runs a request under its id: the client's, if it is short and plain, else a fresh one.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let id = (request.headers().get(&HEADER).and_then(|v| v.to_str().ok()).filter(|id| plain(id)))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    // The route and not the path: names, and whatever else a client writes there, are not for the log.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let method = known(request.method());
    let span = tracing::info_span!("request", id, method, route, status = Empty, milliseconds = Empty);
    let began = Instant::now();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span.clone()).await;
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    if is_error && response.extensions().get::<Dressed>().is_none() {
        response = dress(response, &id);
    }
    span.record("status", response.status().as_u16());
    span.record("milliseconds", began.elapsed().as_secs_f64() * 1e3);
    span.in_scope(|| tracing::debug!("answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER.clone(), value);
    }
    response
}

/// The word of a method that routes have; a client may send any other word.
pub(super) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Writes the problem that a response carries, or the one its status stands for.
fn dress(mut response: Response, id: &str) -> Response {
    let problem =
        response.extensions_mut().remove::<Problem>().unwrap_or_else(|| Problem::of_status(response.status()));
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    Response::from_parts(parts, Body::from(problem.body(id).to_string()))
}
