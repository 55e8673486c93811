//! The document is the service.

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
