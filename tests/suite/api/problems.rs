//! Whatever goes wrong, the answer is a problem.

use std::time::{Duration, Instant};

use reqwest::Method;

use super::refusal::problem;
use super::wire::{cut, exchange, parse};
use crate::support::TestApi;

/// Known to nobody.
const NOBODY: &str = "01a20900-0000-7000-8000-000000000000";

#[tokio::test]
async fn unknown_places_are_problems() {
    let api = TestApi::open().await;
    let routes =
        ["/nowhere", "/v1", "/v1/", "/v2/jobs", "/v1/jobs/", "/v1/datasets/", "/v1//jobs", "/v1/jobs/x/y", "/healthz/"];
    for path in routes {
        problem(&api.get(path).await, 404, "not_found");
    }
    for name in ["nobody", NOBODY, "%00", "a%00b", "%ff", "%zz", "%", "%2e%2e%2fetc", "a%2Fb", "%F0%9F%A6%80", "'--"] {
        for path in [format!("/v1/datasets/{name}"), format!("/v1/datasets/{name}/budget")] {
            problem(&api.get(&path).await, 404, "not_found");
        }
        for path in ["", "/synthetic", "/report"].map(|p| format!("/v1/jobs/{name}{p}")) {
            problem(&api.get(&path).await, 404, "not_found");
        }
        let cancel = api.send(api.request(Method::POST, &format!("/v1/jobs/{name}/cancel"))).await;
        problem(&cancel, 404, "not_found");
        problem(&api.upload(name, "age\n1\n").await, 404, "not_found");
    }
}

#[tokio::test]
async fn wrong_methods_name_the_right_ones() {
    let api = TestApi::open().await;
    let routes = [
        ("/healthz", "GET"),
        ("/openapi.json", "GET"),
        ("/v1/datasets", "GET POST"),
        ("/v1/datasets/x", "GET DELETE"),
        ("/v1/datasets/x/rows", "PUT"),
        ("/v1/datasets/x/budget", "GET POST"),
        ("/v1/datasets/x/ledger", "GET"),
        ("/v1/jobs", "GET POST"),
        ("/v1/estimates", "POST"),
        ("/v1/keys", "GET POST"),
        ("/v1/keys/x", "DELETE"),
        ("/v1/audit", "GET"),
        ("/v1/jobs/x", "GET"),
        ("/v1/jobs/x/cancel", "POST"),
        ("/v1/jobs/x/synthetic", "GET"),
        ("/v1/jobs/x/report", "GET"),
    ];
    for (path, allowed) in routes {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            if allowed.contains(method) {
                continue;
            }
            let answer = api.send(api.request(method.parse().unwrap(), path)).await;
            problem(&answer, 405, "method_not_allowed");
            let allow = answer.headers["allow"].to_str().unwrap();
            assert!(allowed.split(' ').all(|m| allow.split(',').any(|a| a.trim() == m)), "{path}: {allow}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let api = TestApi::open().await;
    for (path, status) in [("/healthz", 200), ("/v1/jobs", 200), ("/v1/jobs/x", 404), ("/nowhere", 404)] {
        let answer = api.send(api.request(Method::HEAD, path)).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{path}");
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn bad_queries_are_problems() {
    let api = TestApi::open().await;
    let queries = [
        "/v1/datasets?limit=0",
        "/v1/datasets?limit=201",
        "/v1/datasets?limit=-1",
        "/v1/datasets?limit=many",
        "/v1/datasets?limit=1e2",
        "/v1/datasets?limit=99999999999999999999",
        "/v1/datasets?cursor=x",
        "/v1/keys?limit=0",
        "/v1/keys?cursor=%00",
        "/v1/keys?cursor=x",
        "/v1/audit?limit=201",
        "/v1/audit?cursor=1.5",
        "/v1/audit?key=%00",
        "/v1/audit?since=%00",
        "/v1/audit?open=x",
        "/v1/jobs?limit=0",
        "/v1/jobs?limit=1&limit=2",
        "/v1/jobs?cursor=",
        "/v1/jobs?cursor=%00",
        "/v1/jobs?status=done",
        "/v1/jobs?status=Queued",
        "/v1/jobs?status=",
    ];
    for path in queries {
        let body = problem(&api.get(path).await, 422, "request_invalid");
        assert!(body["at"].as_str().is_some_and(|at| at.starts_with("query")), "{path}: {body}");
    }
    for path in ["/v1/jobs?dataset=nobody", "/v1/jobs?dataset=%00", "/v1/jobs?dataset=%ff", "/v1/audit?object=%00"] {
        problem(&api.get(path).await, 404, "not_found");
    }
    api.clinic(1.0, 20).await;
    let job = api.post("/v1/jobs", &serde_json::json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    for query in
        ["?wait=61", "?wait=-1", "?wait=1.5", "?wait=soon", "?wait=", "/synthetic?rows=-1", "/synthetic?format=xlsx"]
    {
        problem(&api.get(&format!("{path}{query}")).await, 422, "request_invalid");
    }
}

#[tokio::test]
async fn a_plain_request_id_comes_back_and_a_hostile_one_does_not() {
    let api = TestApi::open().await;
    let long = "x".repeat(65);
    let (plain, hostile) = (["abc-123_4.5", &"x".repeat(64)], ["", "a b", "a\"b", "<b>", "{}", "a/b", "\u{e9}", &long]);
    for (ids, echoed) in [(&plain[..], true), (&hostile[..], false)] {
        for id in ids {
            for path in ["/healthz", "/nowhere"] {
                let answer = api.send(api.request(Method::GET, path).header("x-request-id", id.as_bytes())).await;
                let got = answer.headers["x-request-id"].to_str().unwrap();
                assert_eq!(got == *id, echoed, "{id:?}: {got}");
                assert!(path == "/healthz" || answer.json()["request_id"] == got);
            }
        }
    }
}

/// What HTTP itself forbids is answered, if at all, by an error without our words; the server lives on.
#[tokio::test]
async fn garbage_on_the_wire_does_no_harm() {
    let api = TestApi::open().await;
    let huge = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: {}\r\n\r\n", "a".repeat(2 << 20));
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x-a: b\r\n".repeat(5000));
    let long = format!("GET /v1/datasets/{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(100_000));
    let bytes: [&[u8]; 8] = [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost\0: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        huge.as_bytes(),
        many.as_bytes(),
        long.as_bytes(),
    ];
    for sent in bytes {
        let text = cut(&api, sent).await;
        assert!(!text.contains("HTTP/1.1 2"), "{text}");
    }
    // Requests in one piece are answered in order, a refused one among them.
    let pipeline = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n\
                    GET /v1/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let text = exchange(&api, pipeline.as_bytes()).await;
    let statuses: Vec<_> = text.match_indices("HTTP/1.1 ").map(|(i, m)| &text[i + m.len()..i + m.len() + 3]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{text}");
    assert_eq!(parse(&text).status, 200);
}

/// Without its database the service says so, soon, and is well again when the database is.
#[tokio::test]
async fn an_absent_database_is_unavailable_and_not_an_error_of_ours() {
    let api = TestApi::open().await;
    api.clinic(1.0, 20).await;
    let admin = api.database.options.clone().database("postgres");
    let admin = sqlx::PgPool::connect_with(admin).await.expect("the server");
    let name = api.database.options.get_database().unwrap();
    let allow = |yes: bool| sqlx::AssertSqlSafe(format!("alter database {name} allow_connections {yes}"));
    sqlx::raw_sql(allow(false)).execute(&admin).await.expect("closed");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    sqlx::query(end).bind(name).execute(&admin).await.expect("ended");
    for path in ["/readyz", "/v1/datasets", "/v1/datasets/clinic/budget", "/v1/jobs"] {
        let began = Instant::now();
        let answer = api.get(path).await;
        problem(&answer, 503, "unavailable");
        assert_eq!(answer.headers["retry-after"], "2");
        assert!(began.elapsed() < Duration::from_secs(3), "{path}: {:?}", began.elapsed());
    }
    api.get("/healthz").await.expect(200);
    sqlx::raw_sql(allow(true)).execute(&admin).await.expect("opened");
    let began = Instant::now();
    while api.get("/v1/datasets/clinic").await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
