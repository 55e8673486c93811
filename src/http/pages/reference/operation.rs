//! One route: what it takes, what it answers, an example.

use maud::{Markup, html};
use serde_json::Value;

use super::page::{text, words};
use super::shape::kind;

/// A method of a path.
pub(super) struct Operation<'a> {
    path: &'a str,
    method: &'static str,
    /// The group that it is in.
    pub tag: &'a str,
    says: &'a Value,
}

impl<'a> Operation<'a> {
    /// An operation of the document.
    pub fn new(path: &'a str, method: &'static str, says: &'a Value) -> Self {
        Self { path, method, tag: says["tags"][0].as_str().unwrap_or_default(), says }
    }
}

/// A route as a part of the page.
pub(super) fn operation(operation: &Operation<'_>) -> Markup {
    let Operation { path, method, says, .. } = operation;
    let id = text(says, "operationId");
    html! {
        details.route id=(format!("{id}-{method}")) {
            summary { code { b { (method.to_uppercase()) } " " (path) } " " span.soft { (text(says, "summary")) } }
            @if !text(says, "description").is_empty() { p { (words(text(says, "description"))) } }
            (parameters(&says["parameters"]))
            (body(&says["requestBody"]["content"]))
            (answers(&says["responses"]))
        }
    }
}

fn parameters(all: &Value) -> Markup {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    html! { @if !all.is_empty() { div.wide { table {
        caption { "Parameters" }
        thead { tr { th scope="col" { "Name" } th scope="col" { "In" } th scope="col" { "Type" } th scope="col" { "What it is" } } }
        tbody { @for one in all { tr {
            td { code { (text(one, "name")) } @if one["required"] == true { " (needed)" } }
            td { (text(one, "in")) } td { (kind(&one["schema"])) } td.name { (words(text(one, "description"))) }
        } } }
    } } } }
}

fn body(content: &Value) -> Markup {
    html! { @for (media, body) in content.as_object().into_iter().flatten() {
        p { "Takes " code { (media) } ": " (kind(&body["schema"])) }
        (example(&body["example"]))
    } }
}

fn answers(all: &Value) -> Markup {
    let all = || all.as_object().into_iter().flatten();
    html! {
        div.wide { table {
            caption { "Answers" }
            thead { tr { th scope="col" { "Status" } th scope="col" { "Body" } th scope="col" { "When" } } }
            tbody { @for (status, answer) in all() { tr {
                td { code { (status) } }
                td.name { @for (i, (media, body)) in answer["content"].as_object().into_iter().flatten().enumerate() {
                    @if i > 0 { ", " }
                    @if media == "application/problem+json" { "problem" } @else { code { (media) } " " (kind(&body["schema"])) }
                } }
                td.name { (words(text(answer, "description"))) }
            } } }
        } }
        @for (_, answer) in all() {
            @for (_, body) in answer["content"].as_object().into_iter().flatten() { (example(&body["example"])) }
        }
    }
}

fn example(value: &Value) -> Markup {
    html! { @match value {
        Value::Null => {}
        Value::String(text) => { p.soft { "For example:" } div.wide { pre { code { (text) } } } }
        other => { p.soft { "For example:" } div.wide { pre { code { (serde_json::to_string_pretty(other).unwrap_or_default()) } } } }
    } }
}
