//! The page: groups of routes, then the shapes of what they take and give.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::super::super::openapi::document;
use super::super::frame::shown;
use super::super::viewer::Viewer;
use super::operation::{Operation, operation};
use super::shape::shapes;

/// The content, which is the same for everybody until the program is another.
static CONTENT: LazyLock<Markup> = LazyLock::new(|| content(&serde_json::to_value(document()).unwrap_or_default()));

/// The page, for anybody: there is nothing in it that is not in `/openapi.yaml`.
pub(in super::super) async fn page() -> Response {
    let mut response = shown(&Viewer::default(), ("/docs", "The API"), &CONTENT).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

fn content(document: &Value) -> Markup {
    let operations = operations(document);
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |tag: &Value| operations.iter().filter(|operation| operation.tag == tag["name"]).collect::<Vec<_>>();
    html! {
        @for paragraph in document["info"]["description"].as_str().unwrap_or_default().split("\n\n") { p { (words(paragraph)) } }
        p { "The same for programs: " a href="/openapi.yaml" { "openapi.yaml" } ", " a href="/openapi.json" { "openapi.json" } "." }
        nav aria-label="Routes" { ul.plain {
            @for tag in tags { li {
                a href=(format!("#{}", text(tag, "name"))) { (text(tag, "name")) } ": " (text(tag, "description"))
            } }
            li { a href="#shapes" { "shapes" } ": What bodies look like" }
        } }
        @for tag in tags {
            section aria-labelledby=(text(tag, "name")) {
                h2 id=(text(tag, "name")) { (text(tag, "description")) }
                @for one in of(tag) { (operation(one)) }
            }
        }
        section aria-labelledby="shapes" { h2 #shapes { "Shapes" } (shapes(&document["components"]["schemas"])) }
    }
}

/// All operations in the order of the document.
fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let methods = ["get", "post", "put", "delete"].into_iter();
            methods.filter_map(move |method| Some(Operation::new(path, method, item.get(method)?)))
        })
        .collect()
}

/// A text of an object.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Words in which code stands between backticks.
pub(super) fn words(text: &str) -> Markup {
    html! { @for (i, part) in text.split('`').enumerate() { @if i % 2 == 1 { code { (part) } } @else { (part) } } }
}
