//! The form of an answer: JSON for programs, a page for people.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::tagged::{tag_of, unchanged, with_tag};

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Html,
}

impl Form {
    /// The form that `Accept` prefers (RFC 9110, section 12.5.1); JSON where it does not care.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::ACCEPT).iter().filter_map(|list| list.to_str().ok());
        let ranges: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
        if weight(&ranges, "text/html") > weight(&ranges, "application/json") { Self::Html } else { Self::Json }
    }
}

/// How much a type is wanted: the weight of the most specific range that holds it.
fn weight(ranges: &[&str], kind: &str) -> f64 {
    let family = kind.split_once('/').map_or("", |(family, _)| family);
    let of = |range: &&str| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?;
        let exact = match named.split_once('/')? {
            _ if named.eq_ignore_ascii_case(kind) => 2,
            (first, "*") if first.eq_ignore_ascii_case(family) => 1,
            ("*", "*") => 0,
            _ => return None,
        };
        let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some((exact, q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))))
    };
    ranges.iter().filter_map(of).max_by_key(|(exact, _)| *exact).map_or(0.0, |(_, q): (i32, f64)| q)
}

/// An answer that has both forms, marked so for caches on the way.
pub(super) fn varied(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// A page that may load nothing and run nothing, or 304 when the client has it.
pub(super) fn page(html: String, headers: &HeaderMap) -> Response {
    let tag = format!("{}-html", tag_of(html.as_bytes()));
    if let Some(unchanged) = unchanged(&tag, headers) {
        return varied(unchanged);
    }
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let of = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let kind = [of(header::CONTENT_TYPE, "text/html; charset=utf-8"), of(header::CONTENT_SECURITY_POLICY, policy)];
    varied(with_tag((kind, html).into_response(), &tag))
}
