//! Keys.

use dp2stage::http;
use dp2stage::store::{self, Role};
use dp2stage::tabular::UploadLimits;
use reqwest::Method;

use super::refusal::problem;
use crate::support::{Answer, TestApi};

async fn with(api: &TestApi, authorization: &str) -> Answer {
    api.send(api.request(Method::GET, "/v1/jobs").header("authorization", authorization)).await
}

#[tokio::test]
async fn only_a_good_key_opens() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let (key, other) = (http::issue(Role::Admin).unwrap(), http::issue(Role::Admin).unwrap());
    for key in [&key, &other] {
        store::insert_key(&api.database.pool, &key.stored).await.unwrap();
    }
    let secret = key.token.rsplit('_').next().unwrap();
    let bad = [
        key.token.clone(),
        format!("Basic {}", key.token),
        format!("bearer{}", key.token),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer dp2_".into(),
        "Bearer dp2__".into(),
        format!("Bearer {secret}"),
        format!("Bearer dp2_{}_{secret}", other.stored.id),
        format!("Bearer dp2_{}_{}", key.stored.id, "0".repeat(64)),
        format!("Bearer dp2_{}_{}", key.stored.id, secret.to_uppercase()),
        format!("Bearer {}x", key.token),
        format!("Bearer {}", &key.token[..key.token.len() - 1]),
        format!("Bearer dp2_000000000000_{secret}"),
        format!("Bearer dp2_' or 1=1 --_{secret}"),
    ];
    for authorization in bad {
        let answer = with(&api, &authorization).await;
        problem(&answer, 401, "unauthorized");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(!answer.text.contains(secret));
    }
    assert_eq!(with(&api, &format!("Bearer {}", key.token)).await.status, 200);

    let revoke = sqlx::query("update api_keys set revoked_at = now() where id = $1");
    revoke.bind(&key.stored.id).execute(&api.database.pool).await.unwrap();
    let began = std::time::Instant::now();
    while with(&api, &format!("Bearer {}", key.token)).await.status == 200 {
        assert!(began.elapsed() < std::time::Duration::from_secs(1), "a revoked key is refused within a second");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    problem(&with(&api, &format!("Bearer {}", key.token)).await, 401, "unauthorized");
    assert_eq!(with(&api, &format!("Bearer {}", other.token)).await.status, 200);
}

/// Every guarded route asks, before it looks at anything else of the request.
#[tokio::test]
async fn every_route_but_the_open_ones_asks_for_a_key() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let document = api.get("/openapi.json").await.expect(200);
    let mut guarded = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = api.send(api.request(method, &path.replace(['{', '}'], "")).body("junk")).await;
            if operation["security"] == serde_json::json!([{}]) {
                assert_eq!(answer.status, 200, "{path}");
            } else {
                problem(&answer, 401, "unauthorized");
                guarded += 1;
            }
        }
    }
    assert!(guarded >= 12, "{guarded}");
    for path in ["/healthz", "/readyz", "/openapi.json", "/openapi.yaml"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
}

/// Without keys, a page of another site gets nowhere: neither by a name that leads to loopback nor
/// by a request across sites.
#[tokio::test]
async fn a_keyless_server_answers_this_machine_alone() {
    let api = TestApi::open().await;
    for (header, value, status) in [
        ("host", "evil.example:8080", 403),
        ("host", "localhost.evil.example", 403),
        ("host", "localhost:8080", 200),
        ("host", "127.0.0.1", 200),
        ("host", "[::1]:8080", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "http://localhost:3000", 200),
    ] {
        let answer = api.send(api.request(Method::GET, "/v1/jobs").header(header, value)).await;
        assert_eq!(answer.status.as_u16(), status, "{header}: {value}");
        assert!(status == 200 || answer.code() == "forbidden");
    }
}

/// What each role may do, said here once more and independently: a route that is missing fails.
fn least(method: &str, path: &str) -> Role {
    match (method, path) {
        ("get", "/v1/workers" | "/v1/keys" | "/v1/audit" | "/v1/audit/chain") => Role::Admin,
        ("post", "/v1/schema-proposals") => Role::Custodian,
        ("post", "/v1/keys") | ("delete", "/v1/keys/{key}") => Role::Admin,
        ("get", "/v1/jobs/{job}/attempts") => Role::Custodian,
        ("get", _) | ("post", "/v1/jobs" | "/v1/jobs/{job}/cancel" | "/v1/jobs/{job}/samples" | "/v1/estimates") => {
            Role::Analyst
        }
        ("post" | "put" | "delete", path) if path.starts_with("/v1/datasets") => Role::Custodian,
        other => panic!("no role is said for {other:?}"),
    }
}

/// Every route and every role: refused with 403, or let through to whatever the request deserves.
#[tokio::test]
async fn roles_may_do_what_they_may_and_no_more() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let mut keys = Vec::new();
    for role in Role::ALL {
        keys.push((role, api.token(role).await));
    }
    let document = api.get("/openapi.json").await.expect(200);
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|_| path.starts_with("/v1")) {
            for (role, token) in &keys {
                let place = path.replace("{dataset}", "x").replace("{job}", "x").replace("{key}", "x");
                let request = api.request(method.to_uppercase().parse().unwrap(), &place);
                let answer = api.send(request.header("authorization", format!("Bearer {token}"))).await;
                let refused = answer.status == 403;
                assert_eq!(refused, *role < least(method, path), "{method} {path} as {}", role.word());
                if refused {
                    let body = problem(&answer, 403, "forbidden");
                    assert!(body["detail"].as_str().unwrap().contains(least(method, path).word()), "{body}");
                }
                asked += 1;
            }
        }
    }
    assert!(asked >= 45, "{asked}");
}
