//! What a server counts itself: requests, and bytes of uploads.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::super::request_id::known;

/// Seconds: from what memory answers to what waits for a job.
const BOUNDS: [f64; 11] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 90.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Took {
    route: String,
    status: &'static str,
}

/// The counters of a server; cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Counters>);

struct Counters {
    requests: Family<Answered, Counter>,
    durations: Family<Took, Histogram, fn() -> Histogram>,
    uploaded: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        let durations = Family::new_with_constructor((|| Histogram::new(BOUNDS)) as fn() -> Histogram);
        Self { requests: Family::default(), durations, uploaded: Counter::default() }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Counts bytes of an upload as they come.
    pub(in super::super) fn uploaded(&self, bytes: u64) {
        self.0.uploaded.inc_by(bytes);
    }

    fn answered(&self, method: &'static str, route: String, status: StatusCode, seconds: f64) {
        let status = class(status);
        self.0.durations.get_or_create(&Took { route: route.clone(), status }).observe(seconds);
        self.0.requests.get_or_create(&Answered { method, route, status }).inc();
    }

    /// Has them told.
    pub(super) fn register(&self, registry: &mut Registry) {
        let counters = &self.0;
        let help = "Requests that were answered, by method, template of the route and class of the status";
        registry.register("http_requests", help, counters.requests.clone());
        let help =
            "Seconds from a request to the head of its answer; some routes wait for a job when they are asked to";
        registry.register("http_request_duration_seconds", help, counters.durations.clone());
        let help = "Bytes of tables that clients sent, packed as they came, refused ones included";
        registry.register("upload_bytes", help, counters.uploaded.clone());
    }
}

/// Counts a request once its answer is known.
pub(in super::super) async fn layer(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    // The template and not the path, of which a client may make up as many as it likes.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = known(request.method());
    let response = next.run(request).await;
    metrics.answered(method, route, response.status(), began.elapsed().as_secs_f64());
    response
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
