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
