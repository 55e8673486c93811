//! Clients that take their time, on purpose or not: each is waited for, and none for ever.

use std::time::{Duration, Instant};

use dp2stage::http::Patience;
use dp2stage::tabular::UploadLimits;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::refusal::{nothing_stored, problem};
use super::wire::{connect, parse};
use crate::support::TestApi;
use crate::tabular::corpus;

const SOON: Duration = Duration::from_millis(400);

fn patience() -> Patience {
    Patience { head: SOON, handshake: SOON, taking: SOON }
}

/// What comes until the server closes, and how long that took.
async fn rest(stream: &mut TcpStream) -> (String, Duration) {
    let (began, mut text) = (Instant::now(), Vec::new());
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await;
    // A server that closes with bytes unread resets the connection.
    let _ = read.expect("the server closes");
    (String::from_utf8_lossy(&text).into_owned(), began.elapsed())
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let api = TestApi::open().await;
    let address = api.also((None, patience())).await;
    for start in ["", "G", "GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: "] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let (text, took) = rest(&mut stream).await;
        assert!(!text.contains("HTTP/1.1 2") && took >= SOON / 2 && took < SOON * 5, "{start:?}: {took:?} {text}");
    }
    // A letter now and then does not help.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    while stream.write_all(b"x").await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5), "it goes on and on");
        tokio::time::sleep(SOON / 8).await;
    }
    // Between requests too.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let (text, took) = rest(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 200") && took < SOON * 5, "{text} {took:?}");
}

#[tokio::test]
async fn a_body_that_stalls_or_drips_is_cut_off() {
    let limits = UploadLimits { patience: SOON, least_rate: 1 << 20, ..UploadLimits::default() };
    let api = TestApi::start(true, limits).await;
    let body = json!({"name": "t", "schema": corpus::schema(), "rows_public": 100,
                      "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &body).await.expect(201);
    let head = "PUT /v1/datasets/t/rows HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: text/csv\r\n\
                content-length: 100000\r\n\r\nage,weight,ward,admitted,seen,outcome\n";
    let mut stream = connect(&api).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (text, took) = rest(&mut stream).await;
    problem(&parse(&text), 408, "upload_stalled");
    assert!(took >= SOON / 2 && took < SOON * 5, "{took:?}");

    let mut stream = connect(&api).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b"4").await.is_ok() {
            tokio::time::sleep(SOON / 8).await;
        }
    });
    let (began, mut text) = (Instant::now(), vec![0; 4096]);
    let read = tokio::time::timeout(Duration::from_secs(10), reader.read(&mut text)).await.expect("an answer").unwrap();
    problem(&parse(&String::from_utf8_lossy(&text[..read])), 408, "upload_stalled");
    assert!(began.elapsed() < SOON * 5, "{:?}", began.elapsed());
    drop(reader);
    drip.await.unwrap();
    nothing_stored(&api, "a slow body").await;

    // One that was refused already hears why, and soon.
    let mut stream = connect(&api).await;
    stream.write_all(head.replace("age,", "agg,").as_bytes()).await.unwrap();
    let (text, _) = rest(&mut stream).await;
    problem(&parse(&text), 422, "csv_invalid");
    api.upload("t", corpus::good(3)).await.expect(201);
}

/// An answer that nobody takes does not keep a thread for ever.
#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let api = TestApi::open().await;
    let address = api.also((None, patience())).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(400);
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(SOON * 4).await;
    let (text, _) = rest(&mut stream).await;
    let answers = text.matches("HTTP/1.1 200").count();
    assert!((1..400).contains(&answers), "{answers} answers were sent to a client that took none");
}
