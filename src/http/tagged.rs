//! Answers with an `ETag`, for clients that ask again and again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// A JSON answer whose tag is its digest, or 304 when the client has it.
pub(super) fn tagged(view: &impl Serialize, headers: &HeaderMap) -> Result<Response, Problem> {
    let body = serde_json::to_vec(view).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let tag = tag_of(&body);
    let json = || ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    Ok(unchanged(&tag, headers).unwrap_or_else(|| with_tag(json(), &tag)))
}

/// The tag of a body: half of its digest.
pub(super) fn tag_of(body: &[u8]) -> String {
    hex::encode(&Sha256::digest(body)[..12])
}

/// 304 when the client has what this tag stands for. A tag is letters, digits and dashes.
pub(super) fn unchanged(tag: &str, headers: &HeaderMap) -> Option<Response> {
    let known = headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    // RFC 9110, section 13.1.2: any tag will do for `*`, and weak tags compare like strong ones.
    let same = |t: &str| t == "*" || t.strip_prefix("W/").unwrap_or(t).trim_matches('"') == tag;
    let same = known.split(',').any(|t| same(t.trim()));
    same.then(|| with_tag(StatusCode::NOT_MODIFIED.into_response(), tag))
}

/// The answer with its tag. No cache keeps it (`headers::layer`); clients that keep it themselves may ask with the tag.
pub(super) fn with_tag(mut response: Response, tag: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
