//! The message and its signature, after the Standard Webhooks specification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::job_view::Links;
use crate::store::{Delivery, JobStatus};

/// What proves that a message comes from here. It never prints itself.
pub(super) struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the key.
    pub fn new(key: Vec<u8>) -> Self {
        Self(key)
    }

    /// The header `webhook-signature` of a message sent at `seconds` of Unix time.
    pub fn signature(&self, id: Uuid, seconds: i64, body: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What is sent: released facts alone.
#[derive(Debug, Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: String,
    /// When the job ended.
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
struct Data<'a> {
    job: Uuid,
    status: JobStatus,
    dataset: &'a str,
    links: Links,
}

/// The body of a message: the same for every attempt.
pub(super) fn body(delivery: &Delivery) -> Option<String> {
    let message = Message {
        kind: format!("job.{}", delivery.status.word()),
        timestamp: delivery.finished_at,
        data: Data {
            job: delivery.job_id,
            status: delivery.status,
            dataset: &delivery.dataset_name,
            links: Links::of(delivery.job_id, delivery.dataset_id, delivery.status),
        },
    };
    serde_json::to_string(&message).ok()
}
