//! Schemas that are guessed from a table: read, answered, forgotten.

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::json;

use super::refusal::{nothing_stored, problem};
use crate::support::{TestApi, client};
use crate::tabular::corpus;

#[tokio::test]
async fn a_proposal_is_marked_declarable_and_stores_nothing() {
    let api = TestApi::open().await;
    let csv = "age,ward\n17,a\n90,b\n33,b\n,a\n";
    let send = |body: Vec<u8>, packed: bool| {
        let request =
            api.request(Method::POST, "/v1/schema-proposals").header("content-type", "text/csv; charset=utf-8");
        api.send(if packed { request.header("content-encoding", "gzip") } else { request }.body(body))
    };
    let proposal = send(csv.into(), false).await.expect(200);
    assert_eq!(
        (&proposal["read_from_private_rows"], &proposal["rows"], &proposal["complete"]),
        (&json!(true), &json!(4), &json!(true))
    );
    let age = json!({"name": "age", "type": "integer", "min": 10, "max": 90, "nullable": true});
    assert_eq!(proposal["schema"]["columns"][0], age);
    assert_eq!(send(corpus::gzip(csv.as_bytes()), true).await.expect(200), proposal);
    nothing_stored(&api, "a proposal").await;
    let declared =
        json!({"name": "t", "schema": proposal["schema"], "rows_public": 4, "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    api.upload("t", csv).await.expect(201);
    problem(&send(b"a;b\n1;2\n".to_vec(), false).await, 422, "csv_invalid");
    problem(&send(csv.into(), true).await, 422, "gzip_invalid");
    let half = corpus::gzip(csv.as_bytes());
    problem(&send(half[..half.len() - 4].to_vec(), true).await, 422, "gzip_truncated");
    let json = api.post("/v1/schema-proposals", &json!({})).await;
    problem(&json, 415, "unsupported_media_type");
}

/// A proposal takes so many bytes and no more, however they are packed.
#[tokio::test]
async fn a_proposal_is_of_a_bounded_table() {
    let limits = UploadLimits { table_bytes: 10_000, ..UploadLimits::default() };
    let api = TestApi::start(true, limits).await;
    let csv = format!("x\n{}", "1\n".repeat(6000));
    for (packed, body) in [(false, csv.clone().into_bytes()), (true, corpus::gzip(csv.as_bytes()))] {
        let request = api.request(Method::POST, "/v1/schema-proposals").header("content-type", "text/csv");
        let request = if packed { request.header("content-encoding", "gzip") } else { request };
        problem(&api.send(request.body(body)).await, 413, "table_too_large");
    }
}

/// Analysts, who may not see rows, get none told by way of a proposal either; who asked is told of.
#[tokio::test]
async fn proposals_are_for_custodians_and_told_of() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    for (role, status) in [(Role::Analyst, 403), (Role::Custodian, 200), (Role::Admin, 200)] {
        let request = client().post(format!("{}/v1/schema-proposals", api.base)).bearer_auth(api.token(role).await);
        let answer = api.send(request.header("content-type", "text/csv").body("x\n1\n2\n3\n")).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    let told = "select count(*) from audit_entries where opened is null and route = '/v1/schema-proposals'";
    assert_eq!(sqlx::query_scalar::<_, i64>(told).fetch_one(&api.database.pool).await.unwrap(), 3);
}
