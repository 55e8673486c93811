//! The frame of every page: head, ways to other pages, title, footer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::viewer::Viewer;
use crate::store::{JobStatus, Role};

/// What a page may load: our own style and script. It may ask our own API, and nobody else anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Pages by path, name, and the least role that has them.
const WAYS: [(&str, &str, Role); 5] = [
    ("/", "Datasets", Role::Analyst),
    ("/upload", "Upload", Role::Custodian),
    ("/jobs", "Jobs", Role::Analyst),
    ("/workers", "Workers", Role::Admin),
    ("/audit", "Audit log", Role::Admin),
];

/// A page: its path among the ways, its title, its content.
pub(super) fn shown(viewer: &Viewer, (path, title): (&str, &str), content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Browsers say `Origin: null` with forms of pages that send no referrer at all.
                meta name="referrer" content="same-origin";
                meta name="robots" content="noindex";
                @if let Some(token) = &viewer.token { meta name="form-token" content=(token.0); }
                title { (title) " - dp2stage" }
                link rel="stylesheet" href="/assets/style.css";
                link rel="icon" href="data:,";
                script src="/assets/app.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    a.brand href="/" { "dp2stage" }
                    @if viewer.caller.is_some() { (ways(viewer, path)) }
                    (who(viewer))
                }
                main #content tabindex="-1" {
                    h1 { (title) }
                    noscript { p.banner.private { "Reading works without scripts. To upload, start or cancel anything, allow \
                        scripts of this site, or use the API." } }
                    (content)
                }
                footer { "dp2stage " (env!("CARGO_PKG_VERSION")) ". " a href="/docs" { "API" } }
            }
        }
    };
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (kind, page.into_string()).into_response()
}

fn ways(viewer: &Viewer, here: &str) -> Markup {
    html! {
        nav aria-label="Pages" {
            @for (path, name, _) in WAYS.iter().filter(|way| viewer.may(way.2)) {
                a href=(path) aria-current=[(*path == here).then_some("page")] { (name) }
            }
        }
    }
}

fn who(viewer: &Viewer) -> Markup {
    let Some(caller) = &viewer.caller else { return html! {} };
    html! {
        p.who {
            span { (caller.role.word()) " of " (caller.tenant) }
            @if viewer.token.is_some() { button.quiet type="button" data-sign-out="" { "Sign out" } }
            @else if caller.key.is_none() { span.soft { "no sign-in (--dev)" } }
        }
    }
}

/// A page that says what is wrong.
pub(super) fn refused(viewer: &Viewer, status: StatusCode, (title, detail): (&str, &str), id: &str) -> Response {
    let content = html! {
        p { (sentence(detail)) }
        p.soft { "Request " code { (id) } }
        p { a href="/" { "Back to the datasets" } }
    };
    let mut response = shown(viewer, ("", title), &content);
    *response.status_mut() = status;
    response
}

/// A detail of a problem as a sentence.
pub(super) fn sentence(detail: &str) -> String {
    let mut rest = detail.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if detail.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

/// A moment, to the minute, in UTC.
pub(super) fn moment(at: OffsetDateTime) -> Markup {
    let text = at.format(&Rfc3339).unwrap_or_default();
    let shown = text.get(..16).unwrap_or_default().replace('T', " ");
    html! { time datetime=(text) { (shown) } }
}

/// The state of a job, in a word and a colour.
pub(super) fn state(status: JobStatus) -> Markup {
    html! { span class=(format!("state {}", status.word())) { (status.word()) } }
}

/// A path with one more segment that may be any text.
pub(super) fn with_query(path: &str, key: &str, value: &str) -> String {
    let mut query = format!("{path}?{key}=");
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => query.push(char::from(byte)),
            _ => query.push_str(&format!("%{byte:02X}")),
        }
    }
    query
}
