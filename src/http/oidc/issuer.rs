//! The keys of an issuer: asked for when they are needed, kept for a while, asked for again when a token names another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reqwest::{Client, Url, redirect};
use serde::Deserialize;

use super::jwk::{Algorithm, Key};
use super::settings::{BadOidc, OidcTimes, is_here, may_be_asked};

/// What an issuer says of itself, and its keys, are shorter than this.
const LARGEST: usize = 1 << 20;

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("it does not answer")]
    Connection(#[source] reqwest::Error),
    #[error("it answers with the status {0}")]
    Status(u16),
    #[error("its answer is too long")]
    TooLong,
    #[error("what it says of itself cannot be read, or is about another issuer")]
    Description,
    #[error("its keys are not where they may be asked for")]
    Place,
    #[error("its keys cannot be read, or none is of a kind that is taken")]
    Keys,
}

/// Nobody can say right now whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Unavailable;

/// An issuer, with what is known of its keys.
pub(super) struct Issuer {
    name: String,
    /// Whether it is on this machine, where http is as good.
    here: bool,
    client: Client,
    times: OidcTimes,
    known: Mutex<Known>,
    /// Held by the one who asks.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<[Key]>,
    /// When they were had.
    had: Option<Instant>,
    /// From when on they may be asked for again.
    next: Option<Instant>,
    /// Whether that went wrong the last time.
    failed: bool,
}

impl Known {
    fn key(&self, (id, algorithm): (&str, Algorithm)) -> Option<Key> {
        self.keys.iter().find(|key| key.is(id, algorithm)).cloned()
    }

    fn younger_than(&self, age: std::time::Duration, now: Instant) -> bool {
        self.had.is_some_and(|had| now.duration_since(had) < age)
    }
}

/// What an issuer says of itself (OpenID Connect Discovery).
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    /// The issuer of this name, which is a URL that may be asked.
    ///
    /// # Errors
    /// When the system has no usable certificates.
    pub fn new((name, url): (&str, &Url), times: OidcTimes) -> Result<Self, BadOidc> {
        let here = is_here(url);
        let client = Client::builder()
            // Both would have somebody else say where keys come from.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .https_only(!here)
            .timeout(times.patience)
            .user_agent(concat!("dp2stage/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(BadOidc::Client)?;
        let (known, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { name: name.to_owned(), here, client, times, known, turn })
    }

    /// The key of this name for this algorithm; none when the issuer has no such key.
    ///
    /// # Errors
    /// [`Unavailable`] when that cannot be said, because the issuer does not answer.
    pub async fn key(&self, wanted: (&str, Algorithm)) -> Result<Option<Key>, Unavailable> {
        let now = Instant::now();
        let known = self.known().clone();
        let key = known.key(wanted);
        if key.is_some() && known.younger_than(self.times.fresh, now) {
            return Ok(key);
        }
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            // Somebody is asking already: what is good enough need not wait.
            Err(_) if key.is_some() && known.younger_than(self.times.stale, now) => return Ok(key),
            Err(_) => self.turn.lock().await,
        };
        self.renew(now).await;
        let known = self.known().clone();
        let usable = known.younger_than(self.times.stale, now);
        match known.key(wanted) {
            Some(key) if usable => Ok(Some(key)),
            None if usable && !known.failed => Ok(None),
            _ => Err(Unavailable),
        }
    }

    /// Asks for the keys, unless that was done a moment ago.
    async fn renew(&self, now: Instant) {
        {
            let mut known = self.known();
            if known.next.is_some_and(|next| now < next) {
                return;
            }
            // Before anything is asked: a client that goes away meanwhile does not have it asked again.
            let wait = if known.keys.is_empty() { self.times.retry } else { self.times.refresh };
            known.next = Some(now + wait);
        }
        match self.ask().await {
            Ok(keys) => {
                let next = Some(now + self.times.refresh);
                *self.known() = Known { keys, had: Some(now), next, failed: false };
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of the identity provider cannot be had");
                self.known().failed = true;
            }
        }
    }

    async fn ask(&self) -> Result<Arc<[Key]>, Fault> {
        let place = format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'));
        let place = Url::parse(&place).map_err(|_| Fault::Place)?;
        let description: Description =
            serde_json::from_slice(&self.get(place).await?).map_err(|_| Fault::Description)?;
        if description.issuer != self.name {
            return Err(Fault::Description);
        }
        let place = Url::parse(&description.jwks_uri).ok().filter(|place| may_be_asked(place, self.here));
        let keys = Key::all(&self.get(place.ok_or(Fault::Place)?).await?).filter(|keys| !keys.is_empty());
        keys.map(Arc::from).ok_or(Fault::Keys)
    }

    async fn get(&self, place: Url) -> Result<Vec<u8>, Fault> {
        let unheard = |error: reqwest::Error| Fault::Connection(error.without_url());
        let mut answer = self.client.get(place).send().await.map_err(unheard)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(Fault::Status(answer.status().as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unheard)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(Fault::TooLong);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nobody panics while holding it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
