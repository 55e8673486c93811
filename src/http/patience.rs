//! No request waits for ever, whatever it waits for.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// More than any request waits that is well: the longest of them wait for a job, for a minute.
const LONGEST: Duration = Duration::from_secs(90);

/// Answers 503 for a request that hangs, and lets go of what it holds. The body of an answer may take longer.
pub(super) async fn layer(request: Request, next: Next) -> Response {
    // An upload takes as long as its client sends.
    if request.method() == Method::PUT && request.uri().path().ends_with("/rows") {
        return next.run(request).await;
    }
    let answer = tokio::time::timeout(LONGEST, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let detail = "what it takes to answer did not come in time";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail).into_response()
    })
}
