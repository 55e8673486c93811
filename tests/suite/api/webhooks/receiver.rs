//! A receiver of messages, and what it needs to believe them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dp2stage::http::Webhooks;
use dp2stage::store::Delivery;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// 32 bytes of no secrecy.
pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Webhooks with these places in the house.
pub fn webhooks(allow: &[String]) -> Webhooks {
    Webhooks::new(true, allow, Some(SECRET)).expect("settings")
}

/// A message about a job that nobody has.
pub fn delivery(url: &str) -> Delivery {
    Delivery {
        id: Uuid::now_v7(),
        url: url.to_owned(),
        attempts: 1,
        job_id: Uuid::now_v7(),
        status: dp2stage::store::JobStatus::Succeeded,
        dataset_id: Uuid::now_v7(),
        dataset_name: "clinic".into(),
        finished_at: time::OffsetDateTime::UNIX_EPOCH,
    }
}

/// What came.
#[derive(Clone, Debug)]
pub struct Received {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: String,
}

/// Answers with one status after the other, the last one for ever.
pub struct Receiver {
    pub place: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub async fn start(statuses: &'static [u16]) -> Self {
        Self::with(statuses, |_| async {}).await
    }

    /// One that does something between a message and the answer to it, given how many came before.
    pub async fn with<F>(statuses: &'static [u16], between: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        let take = move |headers: HeaderMap, body: Bytes| {
            let header = |name: &str| headers[name].to_str().expect("plain").to_owned();
            let message = Received {
                id: header("webhook-id"),
                timestamp: header("webhook-timestamp"),
                signature: header("webhook-signature"),
                body: String::from_utf8(body.to_vec()).expect("UTF-8"),
            };
            let before = {
                let mut log = log.lock().expect("unpoisoned");
                log.push(message);
                log.len() - 1
            };
            let (between, status) = (between.clone(), statuses.get(before).or(statuses.last()).expect("a status"));
            async move {
                between(before).await;
                // One that redirects leads back here.
                (StatusCode::from_u16(*status).expect("a status"), [("location", "/elsewhere")], "x".repeat(100_000))
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let place = listener.local_addr().expect("an address").to_string();
        let routes = Router::new().route("/hooks/{*rest}", post(take.clone())).route("/elsewhere", post(take));
        tokio::spawn(axum::serve(listener, routes).into_future());
        Self { place, received }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks/s3cret", self.place)
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("unpoisoned").clone()
    }

    /// Waits for so many messages.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let began = Instant::now();
        while self.received().len() < count {
            assert!(began.elapsed() < Duration::from_secs(30), "{} of {count} came", self.received().len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.received()
    }
}

impl Received {
    /// Checks the signature as RFC 2104 writes it.
    #[track_caller]
    pub fn check(&self) {
        let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
        let padded = |fill: u8| {
            let mut block = [fill; 64];
            block.iter_mut().zip(&key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let signed = [self.id.as_str(), &self.timestamp, &self.body].join(".");
        let inner = Sha256::digest([padded(0x36).as_slice(), signed.as_bytes()].concat());
        let outer = Sha256::digest([padded(0x5c).as_slice(), &inner].concat());
        assert_eq!(self.signature, format!("v1,{}", STANDARD.encode(outer)));
        let sent = self.timestamp.parse::<i64>().expect("seconds");
        let age = time::OffsetDateTime::now_utc().unix_timestamp() - sent;
        assert!((0..60).contains(&age), "{age} seconds old");
    }
}
