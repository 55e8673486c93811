//! Headers that every answer has: nothing is kept by caches, framed, sniffed, or told to other sites. No header ever lets
//! another site's scripts read an answer.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

/// Whatever the answer says itself.
static ALWAYS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Unless the answer says so itself; pages have a policy of their own.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// In a response: nothing in it is anybody's own, so that a browser may keep it, and ask whether it is still the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Everybodys;

/// Adds them to an answer.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let kept = response.extensions().get::<Everybodys>().is_some();
    let headers = response.headers_mut();
    for (name, value) in &ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    // Whoever asks again with a tag is answered by 304 all the same.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(if kept { "no-cache" } else { "no-store" }));
    response
}
