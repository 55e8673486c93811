//! Examples in the contract: requests as somebody wrote them, answers as the service gave them
//! (`tests/suite/api/examples.rs` plays them, and renews the file).

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, RefOr};

use super::shared_answers::operations;

const EXAMPLES: &str = include_str!("../../openapi/examples.json");

/// What is taken and answered by one operation; text where it is not JSON.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Example {
    request: Option<Value>,
    answer: Option<Value>,
}

/// Adds to every operation its example, by its id.
pub(super) fn add(document: &mut OpenApi) {
    let mut examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap_or_default();
    for operation in operations(document) {
        let example = operation.operation_id.as_ref().and_then(|id| examples.remove(id));
        of_operation(operation, example.and_then(|known| serde_json::from_value(known).ok()).unwrap_or_default());
    }
}

fn of_operation(operation: &mut Operation, example: Example) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        put(body.content.iter_mut(), example.request);
    }
    let done = operation.responses.responses.iter_mut().find(|(status, _)| status.starts_with('2'));
    if let Some((_, RefOr::T(response))) = done {
        put(response.content.iter_mut(), example.answer);
    }
}

/// Puts an example where its kind of body is: text beside the first kind of text, all else beside JSON.
fn put<'a>(mut content: impl Iterator<Item = (&'a String, &'a mut RefOr<Content>)>, example: Option<Value>) {
    let Some(example) = example else { return };
    let wanted = |media: &str| media.starts_with("text/") == example.is_string();
    if let Some((_, RefOr::T(body))) = content.find(|(media, _)| wanted(media)) {
        body.example = Some(example);
    }
}
