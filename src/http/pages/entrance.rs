//! Signing in with a key, and out.

use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::super::auth::{PREFIX, check, whereabouts};
use super::super::problem::Problem;
use super::super::request_id::{Dressed, RequestId};
use super::super::sessions::{Ticket, is_by_tls, is_of_this_origin};
use super::super::state::App;
use super::frame::{refused, sentence, shown};
use super::viewer::Viewer;
use crate::store::AuditOpening;

/// Bytes of a form at most.
const MOST: usize = 4096;

/// What the page says besides.
pub(super) struct Asked<'a> {
    /// The path to go to afterwards.
    pub next: &'a str,
    /// What was wrong.
    pub fault: Option<&'a str>,
}

/// The form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Form {
    key: String,
    next: String,
}

/// The page where one signs in.
pub(super) async fn page(State(app): State<App>) -> Response {
    if app.open { Redirect::to("/").into_response() } else { asking(&Asked { next: "/", fault: None }, StatusCode::OK) }
}

/// The same, in the place of a page that one has to be signed in for.
pub(super) fn asking(asked: &Asked<'_>, status: StatusCode) -> Response {
    let content = html! {
        form.narrow method="post" action="/sign-in" {
            input type="hidden" name="next" value=(asked.next);
            label for="key" { "Key" }
            p.soft #key-help { "As " code { "dp2stage key create" } " printed it, or whoever runs this server gave it to you. It \
                begins with " code { "dp2_" } ". You stay signed in for eight hours at most, and half an hour without use." }
            input #key name="key" type="password" autocomplete="current-password" required autofocus spellcheck="false"
                aria-describedby="key-help key-fault" aria-invalid=[asked.fault.map(|_| "true")];
            p.fault #key-fault role="alert" { @if let Some(fault) = asked.fault { (sentence(fault)) } }
            button type="submit" { "Sign in" }
        }
    };
    let mut response = shown(&Viewer::default(), ("", "Sign in"), &content);
    *response.status_mut() = status;
    response
}

/// Takes a key and begins a session. A form of another site gets nowhere: it might sign somebody in as somebody else.
pub(super) async fn sign_in(State(app): State<App>, request: Request) -> Response {
    if app.open {
        return Redirect::to("/").into_response();
    }
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    match let_in(&app, request, &id).await {
        Ok(response) => response,
        Err(problem) => {
            let status = problem.clone().into_response().status();
            let page = refused(&Viewer::default(), status, (problem.title(), problem.detail()), &id);
            (axum::Extension(Dressed), page).into_response()
        }
    }
}

async fn let_in(app: &App, request: Request, id: &str) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    if !is_of_this_origin(&headers) {
        let detail = "sign in at the page of this server: a proxy before it must pass the Host header on as it came";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not from here", detail));
    }
    let peer = whereabouts(&request);
    let too_large = |_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE);
    let body = to_bytes(request.into_body(), MOST).await.map_err(too_large)?;
    let form = read(&body);
    let next = if is_ours(&form.next) { &*form.next } else { "/" };
    // A session lives as long as its key; a token of an identity provider ends by itself, and opens the API alone.
    let sent = Some(form.key.trim()).filter(|key| key.starts_with(PREFIX));
    let caller = match check(app, &peer, sent).await {
        Ok(caller) => caller,
        Err(problem) => return Ok(not_let_in(problem, next)),
    };
    let key = caller.key.clone().unwrap_or_default();
    let opening = AuditOpening {
        request_id: id.to_owned(),
        key: caller.key,
        role: caller.role.word().to_owned(),
        tenant: caller.tenant,
        method: "POST".to_owned(),
        route: "/sign-in".to_owned(),
        objects: Vec::new(),
    };
    let Some(line) = app.audit.open(opening).await else {
        let detail = "the audit log cannot be written right now, so nothing was done";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail));
    };
    let begun = app.sessions.begin(&key, is_by_tls(&headers), Instant::now());
    let ticket = begun.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    line.complete(StatusCode::SEE_OTHER.as_u16(), Vec::new());
    Ok((cookie(&ticket.handed_out()), Redirect::to(next)).into_response())
}

/// Ends the session, whose cookie the layers before have looked at.
pub(super) async fn sign_out(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(ticket) = Ticket::of(&headers) else { return StatusCode::NO_CONTENT.into_response() };
    app.sessions.end(&ticket);
    (cookie(&ticket.taken_back()), StatusCode::NO_CONTENT).into_response()
}

fn cookie(text: &str) -> HeaderMap {
    let value = HeaderValue::from_str(text).ok();
    value.into_iter().map(|value| (header::SET_COOKIE, value)).collect()
}

fn not_let_in(problem: Problem, next: &str) -> Response {
    let wrong =
        "this key opens nothing: copy all of it, from dp2_ to the end. It may also have been revoked, or be at its end";
    let mut refusal = problem.clone().into_response();
    let status = refusal.status();
    let fault = if status == StatusCode::UNAUTHORIZED { wrong } else { problem.detail() };
    let mut page = asking(&Asked { next, fault: Some(fault) }, status);
    for (name, value) in refusal.headers_mut().drain().filter_map(|(name, value)| Some((name?, value))) {
        page.headers_mut().entry(name).or_insert(value);
    }
    (axum::Extension(Dressed), page).into_response()
}

/// A form as browsers write it: what a query is made of.
fn read(body: &[u8]) -> Form {
    let query = std::str::from_utf8(body).ok().and_then(|body| format!("/?{body}").parse::<Uri>().ok());
    query.and_then(|uri| Query::try_from_uri(&uri).ok()).map(|Query(form)| form).unwrap_or_default()
}

/// Whether a path leads to a page of this server and nowhere else.
fn is_ours(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.len() <= 2000
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_on_to_our_own_pages_alone() {
        for path in ["/", "/jobs?status=queued", "/datasets/a%20b"] {
            assert!(is_ours(path), "{path}");
        }
        for path in
            ["", "jobs", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "/a\r\nb"]
        {
            assert!(!is_ours(path), "{path}");
        }
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = read(b"next=%2Fjobs%3Fa%3Db&key=dp2_1_2");
        assert_eq!((&*form.key, &*form.next), ("dp2_1_2", "/jobs?a=b"));
        assert_eq!(read(b"\xff").key, "");
    }
}
