//! The shapes of bodies.

use maud::{Markup, html};
use serde_json::Value;

use super::page::{text, words};

/// All named shapes.
pub(super) fn shapes(schemas: &Value) -> Markup {
    html! { @for (name, schema) in schemas.as_object().into_iter().flatten() {
        details.route id=(format!("shape-{name}")) {
            summary { code { b { (name) } } " " span.soft { (words(first_sentence(text(schema, "description")))) } }
            @if !text(schema, "description").is_empty() { p { (words(text(schema, "description"))) } }
            (members(schema))
        }
    } }
}

/// The members of an object, or what else it is.
fn members(schema: &Value) -> Markup {
    let needed = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    html! { @if let Some(members) = schema["properties"].as_object() {
        div.wide { table {
            thead { tr { th scope="col" { "Member" } th scope="col" { "Type" } th scope="col" { "What it is" } } }
            tbody { @for (name, member) in members { tr {
                td { code { (name) } @if needed(name) { " (always)" } }
                td { (kind(member)) } td.name { (words(text(member, "description"))) }
            } } }
        } }
    } @else { p { (kind(schema)) } } }
}

/// The type of a value in words, with ways to the named ones.
pub(super) fn kind(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href=(format!("#shape-{name}")) { (name) } };
    }
    for (key, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(all) = schema[key].as_array() {
            return html! { @for (i, one) in all.iter().enumerate() { @if i > 0 { (between) } (kind(one)) } };
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return html! { @for (i, value) in values.iter().enumerate() { @if i > 0 { ", " } code { (value) } } };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    html! { @for (i, one) in types.iter().enumerate() {
        @if i > 0 { " or " }
        @match *one {
            "array" => { "list of " (kind(&schema["items"])) }
            "object" if schema["additionalProperties"].is_object() => { "object of " (kind(&schema["additionalProperties"])) }
            other => { (other) @if let Some(format) = schema["format"].as_str() { " (" (format) ")" } }
        }
        (bounds(schema))
    } }
}

fn bounds(schema: &Value) -> Markup {
    let of = |key: &str| Some(schema[key].to_string()).filter(|text| text != "null");
    html! { @match (of("minimum"), of("maximum")) {
        (Some(least), Some(most)) => { ", " (least) " to " (most) }
        (Some(least), None) => { ", at least " (least) }
        (None, Some(most)) => { ", at most " (most) }
        (None, None) => {}
    } }
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first)
}
