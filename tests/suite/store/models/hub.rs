//! A hub in the test's own process: serves the small checkpoint, badly where it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use dp2stage::store::models::{Hub, Token};

use super::{REVISION, files};

/// What the hub does with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Serves the file, or the part that is asked for.
    Serve,
    /// Says how long the answer is and breaks off after so many bytes of it.
    Break(usize),
    /// Serves the whole file, whatever was asked for.
    Whole,
    /// Serves the file from this byte on, whatever was asked for.
    Piece(usize),
    /// Serves the file with one bit turned.
    Turned,
    /// Serves this many zeros.
    Zeros(usize),
    /// Only a status.
    Status(u16),
    /// Sends on to another address.
    Redirect(String),
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub file: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

#[derive(Clone, Default)]
struct Script {
    acts: Arc<Mutex<VecDeque<(&'static str, Act)>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub struct TestHub {
    pub endpoint: String,
    script: Script,
}

impl TestHub {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let script = Script::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { endpoint, script }
    }

    /// The next request for `file` is answered so; those before in the order in which they were told.
    pub fn will(&self, file: &'static str, act: Act) {
        self.script.acts.lock().unwrap().push_back((file, act));
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    pub fn ranges(&self, file: &str) -> Vec<Option<String>> {
        self.seen().into_iter().filter(|seen| seen.file == file).map(|seen| seen.range).collect()
    }

    pub fn hub(&self) -> Hub {
        let token = Some(Token::new("a-secret".into()));
        Hub { endpoint: self.endpoint.clone(), cache: None, offline: false, token }
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path();
    let prefix = format!("/somebody/small/resolve/{REVISION}/");
    let file = path.strip_prefix(&prefix).or(path.strip_prefix("/elsewhere/")).unwrap_or("?").to_owned();
    let range = header("range");
    let seen = Seen { file: file.clone(), range: range.clone(), token: header("authorization") };
    script.seen.lock().unwrap().push(seen);
    let act = {
        let mut acts = script.acts.lock().unwrap();
        let at = acts.iter().position(|(of, _)| *of == file);
        at.and_then(|at| acts.remove(at)).map_or(Act::Serve, |(_, act)| act)
    };
    let Some(mut content) = files().remove(file.as_str()) else { return status(404) };
    let asked = range.map_or(0, |range| {
        range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-')).unwrap().parse::<usize>().unwrap()
    });
    match act {
        Act::Status(code) => status(code),
        Act::Redirect(to) => Response::builder().status(302).header("location", to).body(Body::empty()).unwrap(),
        Act::Zeros(count) => piece(&vec![0; count], 0, None),
        Act::Whole => piece(&content, 0, None),
        Act::Piece(from) => piece(&content, from, None),
        Act::Break(after) => piece(&content, asked, Some(after)),
        Act::Turned => {
            let middle = content.len() / 2;
            content[middle] ^= 1;
            piece(&content, asked, None)
        }
        Act::Serve if asked >= content.len() => status(416),
        Act::Serve => piece(&content, asked, None),
    }
}

fn status(code: u16) -> Response {
    Response::builder().status(code).body(Body::from("no")).unwrap()
}

/// The content from `from` on; breaks off after some bytes.
fn piece(content: &[u8], from: usize, after: Option<usize>) -> Response {
    let rest = Bytes::copy_from_slice(&content[from..]);
    let mut response =
        Response::builder().status(if from > 0 { 206 } else { 200 }).header("content-length", rest.len());
    if from > 0 {
        let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
        response = response.header("content-range", range);
    }
    let Some(after) = after else { return response.body(Body::from(rest)).unwrap() };
    let chunks = async_stream(rest.slice(..after));
    response.body(Body::from_stream(chunks)).unwrap()
}

/// The bytes, then, once they are under way, a fault that makes the server drop the connection.
fn async_stream(bytes: Bytes) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    futures_util::stream::unfold(Some(bytes), |left| async move {
        match left {
            Some(bytes) => Some((Ok(bytes), None)),
            None => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                Some((Err(std::io::Error::other("cut")), None))
            }
        }
    })
}
