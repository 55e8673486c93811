//! A service that asks for no key answers callers of this machine alone, and a page of some site is none of them: its
//! browser runs here, and its name may be made to lead here.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::state::App;

/// Lets requests pass that are for this machine and not on behalf of a foreign site; all of them where keys are asked for.
pub(super) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    if !app.open || is_local(request.headers()) {
        return next.run(request).await;
    }
    let detail = "without keys (--dev) the service is for this machine alone: call it by 127.0.0.1 or localhost, and not \
        from a page of another site";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "Not for this service", detail).into_response()
}

fn is_local(headers: &HeaderMap) -> bool {
    let all = |name: HeaderName| headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("?"));
    let site = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| is_loopback(host));
    all(header::HOST).all(is_loopback) && all(header::ORIGIN).all(site)
}

/// Whether a host, perhaps with a port, is this machine by its spelling alone.
fn is_loopback(place: &str) -> bool {
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => place,
    };
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}
