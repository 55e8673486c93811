//! What is shown of messages.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::DeliveryState;

/// The message about the end of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct DeliveryView {
    /// The `webhook-id`.
    id: Uuid,
    /// `pending`, `delivered` or `dead`.
    status: String,
    /// How often it was taken to be sent.
    attempts: i32,
    /// The HTTP status of the last answer.
    answer: Option<i32>,
    /// Why the last attempt failed: `receiver_not_allowed`, `address_not_public`, `timeout`, `connection_failed`,
    /// `status` or `message`.
    fault: Option<String>,
    /// When it is sent next, while it is pending.
    #[serde(with = "time::serde::rfc3339::option")]
    due_at: Option<OffsetDateTime>,
    /// When it was delivered or given up.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

impl From<DeliveryState> for DeliveryView {
    fn from(state: DeliveryState) -> Self {
        let due_at = state.ended_at.is_none().then_some(state.due_at);
        let DeliveryState { id, status, attempts, answer, fault, ended_at, .. } = state;
        Self { id, status, attempts, answer, fault, due_at, ended_at }
    }
}

/// A request for a job as it is shown: the path of a receiver may be a secret between it and who named it.
pub(in super::super) fn masked(mut request: Value) -> Value {
    if let Some(webhook) = request.get_mut("webhook")
        && let Some(url) = webhook.as_str().and_then(|text| reqwest::Url::parse(text).ok())
    {
        *webhook = Value::String(format!("{}/...", url.origin().ascii_serialization()));
    }
    request
}
