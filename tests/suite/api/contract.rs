//! The document is the service.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::TestApi;

const COMMITTED: &str = include_str!("../../../openapi/openapi.yaml");

/// `dp2stage openapi > openapi/openapi.yaml` renews the file.
#[tokio::test]
async fn what_is_served_is_what_is_committed() {
    let api = TestApi::open().await;
    let yaml = api.get("/openapi.yaml").await;
    assert_eq!(yaml.text, COMMITTED, "run `cargo run -- openapi > openapi/openapi.yaml`");
    let json = api.get("/openapi.json").await.expect(200);
    assert_eq!(json["paths"].as_object().unwrap().len(), COMMITTED.matches("\n  /").count());
}

/// A schema that is composed of others says one type: nothing is a text and an object.
#[tokio::test]
async fn composed_schemas_agree() {
    let api = TestApi::open().await;
    let (mut left, mut composed) = (vec![api.get("/openapi.json").await.expect(200)], 0);
    while let Some(value) = left.pop() {
        if let Some(members) = value["allOf"].as_array() {
            let types: BTreeSet<String> =
                members.iter().filter(|m| m["type"].is_string()).map(|m| m["type"].to_string()).collect();
            assert!(types.len() < 2, "{value}");
            composed += 1;
        }
        match value {
            Value::Object(members) => left.extend(members.into_iter().map(|(_, value)| value)),
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    assert!(composed > 0);
}

/// What generators of clients ask of a document: ids are each operation's own, and every answer is described.
#[tokio::test]
async fn clients_can_be_generated() {
    let document = TestApi::open().await.get("/openapi.json").await.expect(200);
    let (mut ids, mut answers) = (BTreeSet::new(), 0);
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values().filter(|operation| operation["responses"].is_object()) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            for (status, answer) in operation["responses"].as_object().unwrap() {
                assert!(!answer["description"].as_str().unwrap_or_default().is_empty(), "{id}: {status}");
                answers += 1;
            }
        }
    }
    assert!(ids.len() == 31 && answers > 150, "{} {answers}", ids.len());
}
