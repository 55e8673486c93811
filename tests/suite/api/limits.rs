//! How often a key may ask, and how often a stranger may try.

use dp2stage::http::Rates;
use dp2stage::store::Role;
use reqwest::Method;
use serde_json::json;

use super::refusal::problem;
use crate::support::{Answer, TestApi};

async fn get(api: &TestApi, token: &str, path: &str) -> Answer {
    api.send(api.request(Method::GET, path).header("authorization", format!("Bearer {token}"))).await
}

async fn estimate(api: &TestApi, token: &str) -> Answer {
    let request = api.request(Method::POST, "/v1/estimates").header("authorization", format!("Bearer {token}"));
    api.send(request.json(&json!({"dataset": "nobody", "epsilon": 1}))).await
}

#[track_caller]
fn limited(answer: &Answer, counted: &str, most: u32) {
    let body = problem(answer, 429, "rate_limited");
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && body["detail"].as_str().unwrap().contains(&format!("wait {wait} s")), "{body}");
    assert_eq!(answer.headers["ratelimit-policy"], format!("\"{counted}\";q={most};w=60"));
    assert!(answer.headers["ratelimit"].to_str().unwrap().starts_with(&format!("\"{counted}\";r=0;t=")));
}

/// Reads and writes are counted apart, and each key by itself; what is refused is not told of in the audit log.
#[tokio::test]
async fn a_key_may_ask_so_often_and_no_more() {
    let api = TestApi::limited(Rates::new(5, 3, 0)).await;
    let (one, two) = (api.token(Role::Admin).await, api.token(Role::Analyst).await);
    for left in (0..3).rev() {
        let answer = estimate(&api, &one).await;
        assert_eq!(answer.headers["ratelimit-policy"], "\"writes\";q=3;w=60");
        let said = answer.headers["ratelimit"].to_str().unwrap().to_owned();
        assert!(said.starts_with(&format!("\"writes\";r={left};t=")), "{said}");
        problem(&answer, 404, "not_found");
    }
    for _ in 0..3 {
        limited(&estimate(&api, &one).await, "writes", 3);
    }
    for _ in 0..5 {
        get(&api, &one, "/v1/jobs").await.expect(200);
    }
    limited(&get(&api, &one, "/v1/jobs").await, "reads", 5);
    problem(&estimate(&api, &two).await, 404, "not_found");
    get(&api, &two, "/v1/jobs").await.expect(200);
    // What needs no key is free.
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        for _ in 0..10 {
            assert_eq!(get(&api, &one, path).await.status, 200, "{path}");
        }
    }
    let told = "select count(*) from audit_entries where opened is null";
    assert_eq!(sqlx::query_scalar::<_, i64>(told).fetch_one(&api.database.pool).await.unwrap(), 4);
}

/// Guesses are slow, whether they name a key or none, and hold up nobody whose key is known.
#[tokio::test]
async fn strangers_may_try_a_few_times() {
    let api = TestApi::limited(Rates::new(0, 0, 4)).await;
    let (known, fresh) = (api.token(Role::Analyst).await, api.token(Role::Analyst).await);
    get(&api, &known, "/v1/jobs").await.expect(200);
    let none = "0".repeat(64);
    for token in ["", "dp2_", &format!("dp2_000000000000_{none}"), "x"] {
        problem(&get(&api, token, "/v1/jobs").await, 401, "unauthorized");
    }
    for token in ["", &format!("dp2_000000000000_{none}"), &fresh] {
        limited(&get(&api, token, "/v1/jobs").await, "failures", 4);
    }
    // Who was let in before is let in, and guesses at that key are counted for themselves.
    get(&api, &known, "/v1/jobs").await.expect(200);
    let guess = format!("dp2_{}_{none}", known.split('_').nth(1).unwrap());
    for _ in 0..4 {
        problem(&get(&api, &guess, "/v1/jobs").await, 401, "unauthorized");
    }
    limited(&get(&api, &guess, "/v1/jobs").await, "failures", 4);
    // From this address not even the right secret opens then: whoever guesses learns nothing more.
    limited(&get(&api, &known, "/v1/jobs").await, "failures", 4);
    assert_eq!(get(&api, &guess, "/healthz").await.status, 200);
}
