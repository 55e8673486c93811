//! One attempt to send a message.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use time::OffsetDateTime;

use super::message::body;
use super::names::{Judged, Names, NotPublic, Trusted};
use super::policy::Webhooks;
use crate::store::Delivery;

/// A connection must stand within this.
const CONNECT: Duration = Duration::from_secs(5);
/// A whole attempt may take this long, the looking up of the name included.
pub(super) const LONGEST: Duration = Duration::from_secs(10);

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The settings do not allow the receiver (any more).
    Receiver,
    /// Its name leads to an address that is not public; nothing was connected to.
    Address,
    /// It did not answer in time.
    Timeout,
    /// It could not be connected to, or broke off.
    Connection,
    /// It answered with this status, which is none of success.
    Status(u16),
    /// The message could not be written.
    Message,
}

impl Fault {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Receiver => "receiver_not_allowed",
            Self::Address => "address_not_public",
            Self::Timeout => "timeout",
            Self::Connection => "connection_failed",
            Self::Status(_) => "status",
            Self::Message => "message",
        }
    }
}

/// Sends messages.
#[derive(Clone)]
pub struct Courier {
    webhooks: Webhooks,
    /// For anywhere on the public internet.
    abroad: Client,
    /// For places that the operator named.
    inside: Client,
}

impl Courier {
    /// A courier that finds its way by these names.
    ///
    /// # Errors
    /// When the system has no usable certificates.
    pub fn new(webhooks: Webhooks, names: Arc<dyn Names>) -> Result<Self, reqwest::Error> {
        let client = || {
            Client::builder()
                // Both would have somebody else say where to connect to.
                .no_proxy()
                .redirect(redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT)
                .timeout(LONGEST)
                // Each attempt is judged by itself.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("dp2stage/", env!("CARGO_PKG_VERSION")))
        };
        let abroad = client().https_only(true).dns_resolver(Arc::new(Judged(names.clone()))).build()?;
        let inside = client().dns_resolver(Arc::new(Trusted(names))).build()?;
        Ok(Self { webhooks, abroad, inside })
    }

    /// Sends a message once. Gives the status of the answer, of which the body is not read.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn send(&self, delivery: &Delivery) -> Result<u16, Fault> {
        let url = self.webhooks.receiver(&delivery.url).map_err(|_| Fault::Receiver)?;
        let client = if self.webhooks.allows(&url) { &self.inside } else { &self.abroad };
        let body = body(delivery).ok_or(Fault::Message)?;
        let seconds = OffsetDateTime::now_utc().unix_timestamp();
        let secret = self.webhooks.secret().ok_or(Fault::Receiver)?;
        let signature = secret.signature(delivery.id, seconds, &body).ok_or(Fault::Message)?;
        let request = client
            .post::<Url>(url)
            .header("content-type", "application/json")
            .header("webhook-id", delivery.id.to_string())
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .body(body);
        let answer = request.send().await.map_err(|error| fault(&error))?;
        let status = answer.status();
        if status.is_success() { Ok(status.as_u16()) } else { Err(Fault::Status(status.as_u16())) }
    }
}

fn fault(error: &reqwest::Error) -> Fault {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return Fault::Address;
        }
        cause = error.source();
    }
    if error.is_timeout() { Fault::Timeout } else { Fault::Connection }
}
