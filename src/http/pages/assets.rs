//! The style sheet and the script: the same for everybody.

use axum::Extension;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::super::headers::Everybodys;
use super::super::tagged::{tag_of, unchanged, with_tag};
use crate::report;

/// What pages need beyond the style of reports.
const STYLE: &str = include_str!("style.css");
/// The script.
const SCRIPT: &str = include_str!("app.js");

/// The style sheet.
pub(super) async fn style(headers: HeaderMap) -> Response {
    asset("text/css; charset=utf-8", format!("{}{STYLE}", report::STYLE), &headers)
}

/// The script.
pub(super) async fn script(headers: HeaderMap) -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT.to_owned(), &headers)
}

fn asset(kind: &'static str, text: String, headers: &HeaderMap) -> Response {
    let tag = tag_of(text.as_bytes());
    let whole = || ([(header::CONTENT_TYPE, kind)], text).into_response();
    let response = unchanged(&tag, headers).unwrap_or_else(|| with_tag(whole(), &tag));
    (Extension(Everybodys), response).into_response()
}
