//! Bad uploads over the wire: refused with a place and without a value, and nothing is left of them.

use std::io::ErrorKind;

use dp2stage::tabular::{Packing, UploadLimits};
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::refusal::{nothing_stored, problem};
use super::wire::{connect, cut, exchange, parse};
use crate::support::{Answer, TestApi};
use crate::tabular::corpus::{self, Case};

const CANARY: &str = "zq9canary";

async fn declared() -> TestApi {
    declared_under(UploadLimits::default()).await
}

async fn declared_under(limits: UploadLimits) -> TestApi {
    let api = TestApi::start(true, limits).await;
    let body = json!({"name": "t", "schema": corpus::schema(), "rows_public": 100,
                      "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &body).await.expect(201);
    api
}

async fn put(api: &TestApi, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = api.request(Method::PUT, "/v1/datasets/t/rows").body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    api.send(request).await
}

#[track_caller]
fn holds_no(secret: &str, answer: &Answer, name: &str) {
    assert!(!answer.text.contains(secret), "{name}: {}", answer.text);
    assert!(answer.headers.values().all(|v| !String::from_utf8_lossy(v.as_bytes()).contains(secret)), "{name}");
}

fn check(case: &Case, answer: &Answer) {
    let body = problem(answer, 422, case.code);
    holds_no(&case.secret, answer, &case.name);
    holds_no(CANARY, answer, &case.name);
    let Some((row, column)) = case.place else {
        assert!(answer.text.contains(case.says), "{}: {}", case.name, answer.text);
        return;
    };
    let first = &body["problems"][0];
    assert_eq!((first["row"].as_u64(), first["column"].as_str()), (Some(row), column), "{}: {body}", case.name);
    assert!(first["reason"].as_str().is_some_and(|r| r.contains(case.says)), "{}: {body}", case.name);
    assert!(body["problems"].as_array().is_some_and(|p| p.len() <= 20) && body["stopped"].is_boolean());
}

#[tokio::test]
async fn every_malformed_table_is_refused_and_nothing_is_stored() {
    let api = declared().await;
    let cases = corpus::cases();
    assert!(cases.len() >= 200);
    for case in &cases {
        let mut headers = vec![("content-type", "text/csv")];
        if case.packing == Packing::Gzip {
            headers.push(("content-encoding", "gzip"));
        }
        check(case, &put(&api, &headers, case.body.clone()).await);
        nothing_stored(&api, &case.name).await;
    }
    println!("{} malformed uploads", cases.len());
    assert!(api.get("/v1/datasets/t").await.expect(200)["rows"].is_null());
    // The good table passes where the bad ones did not.
    let stored = put(&api, &[("content-type", "text/csv; charset=utf-8; header=present")], corpus::good(3)).await;
    assert_eq!(stored.expect(201)["rows"], 3);
}

#[tokio::test]
async fn headers_that_do_not_fit_are_refused_before_the_body_is_read() {
    let api = declared().await;
    let good = || corpus::good(3);
    for kind in ["", "text/plain", "application/json", "text/csvx", "application/octet-stream", "multipart/form-data"] {
        problem(&put(&api, &[("content-type", kind)], good()).await, 415, "unsupported_media_type");
    }
    problem(&put(&api, &[], good()).await, 415, "unsupported_media_type");
    for encoding in ["br", "zst", "deflate", "gzip, gzip", "gzip;q=1", "zq9canary"] {
        let answer = put(&api, &[("content-type", "text/csv"), ("content-encoding", encoding)], good()).await;
        problem(&answer, 415, "unsupported_media_type");
        holds_no(CANARY, &answer, encoding);
    }
    nothing_stored(&api, "headers").await;
    let answer = put(&api, &[("content-type", " TEXT/CSV ;x"), ("content-encoding", " Identity ")], good()).await;
    answer.expect(201);
}

#[tokio::test]
async fn limits_hold_over_the_wire() {
    let small = UploadLimits { rows: 10, table_bytes: 20_000, ..UploadLimits::default() };
    let api = declared_under(small).await;
    let answer = put(&api, &[("content-type", "text/csv")], corpus::good(11)).await;
    assert!((400..500).contains(&answer.status.as_u16()), "{}", answer.text);
    let large = corpus::good(5000);
    let answer = put(&api, &[("content-type", "text/csv")], large.clone()).await;
    assert!((400..500).contains(&answer.status.as_u16()), "{}", answer.text);
    let answer = put(&api, &[("content-type", "text/csv"), ("content-encoding", "gzip")], corpus::gzip(&large)).await;
    assert!((400..500).contains(&answer.status.as_u16()), "{}", answer.text);
    nothing_stored(&api, "limits").await;
    let api = declared_under(UploadLimits { table_bytes: 1000, ..UploadLimits::default() }).await;
    problem(&put(&api, &[("content-type", "text/csv")], corpus::good(500)).await, 413, "table_too_large");
    nothing_stored(&api, "limits").await;
}

#[tokio::test]
async fn an_upload_to_nothing_is_not_found() {
    let api = declared().await;
    let request = api.request(Method::PUT, "/v1/datasets/nothing/rows").header("content-type", "text/csv");
    problem(&api.send(request.body(corpus::good(2))).await, 404, "not_found");
}

fn head(framing: &str) -> String {
    format!(
        "PUT /v1/datasets/t/rows HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: text/csv\r\n{framing}\r\n\r\n"
    )
}

/// Bodies that end too early or are badly framed. An answer may or may not arrive; a row must not.
#[tokio::test]
async fn broken_framing_stores_nothing() {
    let api = declared().await;
    let table = String::from_utf8(corpus::good(40)).unwrap();
    let chunk = format!("{:x}\r\n{table}\r\n", table.len());
    let chunked = |rest: &str| head("transfer-encoding: chunked") + rest;
    let ends = [
        ("shorter than announced", head("content-length: 100000") + &table),
        ("no last chunk", chunked(&chunk)),
        ("cut in a chunk", chunked(&chunk[..chunk.len() / 2])),
        ("cut in a chunk size", chunked(&(chunk.clone() + "ff"))),
        ("cut in the head", head("content-length: 10")[..60].to_owned()),
    ];
    for (name, bytes) in ends {
        let text = cut(&api, bytes.as_bytes()).await;
        assert!(!text.contains("HTTP/1.1 2") && !text.contains(CANARY), "{name}: {text}");
        nothing_stored(&api, name).await;
    }
    let bad = [
        ("garbage for a chunk size", chunked(&(chunk.clone() + "zq9canary\r\n"))),
        ("a chunk size beyond 64 bits", chunked("ffffffffffffffffff\r\nage")),
        ("no line end after a chunk", chunked("3\r\nagexx0\r\n\r\n")),
        ("two lengths", head("content-length: 5\r\ncontent-length: 6") + &table),
        ("a negative length", head("content-length: -5") + &table),
        ("a length that is no number", head("content-length: zq9canary") + &table),
        ("an unknown transfer encoding", head("transfer-encoding: zq9canary") + &table),
        ("no body at all", head("content-length: 0")),
        ("neither length nor chunks", head("x-nothing: 1")),
    ];
    for (name, bytes) in bad {
        let text = exchange(&api, bytes.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 4") && !text.contains(CANARY), "{name}: {text}");
        nothing_stored(&api, name).await;
    }
    // The same table in good chunks is stored, so the above failed for its own reasons.
    let text = exchange(&api, (head("transfer-encoding: chunked") + &chunk + "0\r\n\r\n").as_bytes()).await;
    assert_eq!(parse(&text).status, 201, "{text}");
}

/// A client that vanishes in the middle leaves nothing, however far it came.
#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing() {
    let api = declared().await;
    let bytes = (head("content-length: 10000000") + &String::from_utf8(corpus::good(9000)).unwrap()).into_bytes();
    for part in [200, 10_000, bytes.len()] {
        let mut stream = connect(&api).await;
        stream.write_all(&bytes[..part]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        nothing_stored(&api, "a reset").await;
    }
}

/// However many clients dawdle, few of their uploads are under way at once, and the rest of the
/// service does not wait for them.
#[tokio::test]
async fn dawdlers_hold_few_places() {
    let api = declared().await;
    let start = head("content-length: 1000000") + "age,weight,ward,admitted,seen,outcome\n42,";
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(&api).await;
        stream.write_all(start.as_bytes()).await.unwrap();
        clients.push(stream);
    }
    let began = std::time::Instant::now();
    while super::refusal::files(&api) < 16 {
        assert!(began.elapsed().as_secs() < 8, "{} are under way", super::refusal::files(&api));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    api.get("/readyz").await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(super::refusal::files(&api), 16);
    drop(clients);
    nothing_stored(&api, "dawdlers").await;
    put(&api, &[("content-type", "text/csv")], corpus::good(3)).await.expect(201);
}

/// The refusal of a long upload reaches a client that is still sending.
#[tokio::test]
async fn an_early_refusal_is_heard() {
    let api = declared().await;
    let mut body = b"age,town\n".to_vec();
    body.resize(24 << 20, b'x');
    let mut stream = connect(&api).await;
    stream.write_all(head(&format!("content-length: {}", body.len())).as_bytes()).await.unwrap();
    match stream.write_all(&body).await {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
        _ => {}
    }
    let mut text = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut text).await.unwrap();
    problem(&parse(&String::from_utf8(text).unwrap()), 422, "csv_invalid");
    nothing_stored(&api, "an early refusal").await;
}

/// After a version was stored, a bad upload leaves that one alone.
#[tokio::test]
async fn a_bad_second_upload_changes_nothing() {
    let api = declared().await;
    put(&api, &[("content-type", "text/csv")], corpus::good(3)).await.expect(201);
    let before = (super::refusal::files(&api), api.get("/v1/datasets/t").await.expect(200));
    for case in corpus::cases().iter().filter(|c| c.packing == Packing::Plain).step_by(10) {
        put(&api, &[("content-type", "text/csv")], case.body.clone()).await.expect(422);
    }
    assert_eq!((super::refusal::files(&api), api.get("/v1/datasets/t").await.expect(200)), before);
}
