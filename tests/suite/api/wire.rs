//! Requests that no well-behaved client sends, byte by byte.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, TestApi};

/// A connection of one's own.
pub async fn connect(api: &TestApi) -> TcpStream {
    TcpStream::connect(api.base.trim_start_matches("http://")).await.expect("a connection")
}

/// Sends these bytes and reads what comes back until the server closes.
pub async fn exchange(api: &TestApi, bytes: &[u8]) -> String {
    answer(send(api, bytes).await).await
}

/// Sends these bytes, says that there are no more, and reads what comes back.
pub async fn cut(api: &TestApi, bytes: &[u8]) -> String {
    let mut stream = send(api, bytes).await;
    let _ = stream.shutdown().await;
    answer(stream).await
}

/// A server that has heard enough may close before all is sent.
async fn send(api: &TestApi, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(api).await;
    let _ = stream.write_all(bytes).await;
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The first answer in a text.
pub fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(k, v)| (k.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(v).expect("a value")))
        .collect();
    let status = StatusCode::from_u16(status.expect("a status")).expect("a status");
    Answer { status, headers, text: body.to_owned() }
}
