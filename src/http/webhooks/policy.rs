//! Which receivers may be named.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use super::address::is_global;
use super::message::Secret;

/// Longest URL.
const LONGEST: usize = 2000;
/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// Ends of names that mean something in a house alone.
const NOBODYS: [&str; 9] = ["localhost", "localdomain", "local", "internal", "lan", "home", "arpa", "test", "invalid"];

/// Whether and where messages are sent, and what proves that they come from here.
#[derive(Clone, Debug, Default)]
pub struct Webhooks(Option<Arc<Settings>>);

#[derive(Debug)]
struct Settings {
    /// `host:port` of receivers in the house, which may be named whatever their address, and by http too.
    allow: Vec<String>,
    secret: Secret,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// No secret to sign with.
    #[error("webhooks.secret is missing: DP2STAGE__WEBHOOKS__SECRET=whsec_$(openssl rand -base64 32)")]
    NoSecret,
    /// The secret is not one.
    #[error("webhooks.secret is `whsec_` and then 24 to 64 random bytes in base64")]
    Secret,
    /// A place that is none.
    #[error("webhooks.allow: `{0}` is not a host and a port, like hooks.internal:8443")]
    Place(String),
}

/// Why a receiver may not be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceiver {
    /// Webhooks are off.
    #[error(
        "webhooks are off on this server (webhooks.enabled); leave `webhook` out, and follow /v1/jobs/{{job}}/events"
    )]
    Off,
    /// It is no URL.
    #[error("a webhook is an https URL of at most 2000 characters")]
    NoUrl,
    /// It is not https.
    #[error("a webhook is an https URL; http is for hosts that the operator names in webhooks.allow")]
    Scheme,
    /// It holds a password or a fragment.
    #[error("a webhook has no user, password or fragment in its URL; messages are signed instead")]
    Credentials,
    /// Its address is not on the public internet.
    #[error("a webhook has a public address; hosts in the house are for the operator to name in webhooks.allow")]
    Address,
}

impl Webhooks {
    /// Settings as they were read; `allow` are hosts with ports.
    ///
    /// # Errors
    /// [`BadSettings`], when enabled.
    pub fn new(enabled: bool, allow: &[String], secret: Option<&str>) -> Result<Self, BadSettings> {
        if !enabled {
            return Ok(Self(None));
        }
        let secret = secret.ok_or(BadSettings::NoSecret)?.trim();
        let key = secret.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        let key = key.filter(|key| (24..=64).contains(&key.len())).ok_or(BadSettings::Secret)?;
        let place = |text: &String| {
            let bad = || BadSettings::Place(text.clone());
            let url = Url::parse(&format!("http://{text}/")).map_err(|_| bad())?;
            // The parser drops a port that is the scheme's own.
            let said = text.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            let plain = url.username().is_empty() && url.password().is_none() && url.path() == "/";
            match (url.host_str(), said) {
                (Some(host), Some(port)) if plain && url.query().is_none() => Ok(format!("{host}:{port}")),
                _ => Err(bad()),
            }
        };
        let allow = allow.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self(Some(Arc::new(Settings { allow, secret: Secret::new(key) }))))
    }

    /// Whether any may be named.
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// What proves that a message comes from here; none while webhooks are off.
    pub(super) fn secret(&self) -> Option<&Secret> {
        self.0.as_ref().map(|settings| &settings.secret)
    }

    /// A receiver as it is written, as a URL that may be sent to. A name in it is not looked up: that is done, and
    /// its addresses are judged, whenever it is connected to.
    ///
    /// # Errors
    /// [`BadReceiver`].
    pub fn receiver(&self, text: &str) -> Result<Url, BadReceiver> {
        let settings = self.0.as_ref().ok_or(BadReceiver::Off)?;
        // The parser would mend these: what is sent to is what was written.
        let odd = |c: char| !c.is_ascii_graphic() || c == '\\';
        if text.len() > LONGEST || text.contains(odd) {
            return Err(BadReceiver::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| BadReceiver::NoUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BadReceiver::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(BadReceiver::Credentials);
        }
        if settings.names(&url) {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(BadReceiver::Scheme);
        }
        // All spellings of an address of version 4 (decimal, octal, hexadecimal, short) are one by now.
        let host = url.host_str().ok_or(BadReceiver::NoUrl)?;
        let public = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => is_global(address),
            Err(_) => is_public_name(host),
        };
        if public { Ok(url) } else { Err(BadReceiver::Address) }
    }

    /// Whether the operator named the place of a URL.
    pub(super) fn allows(&self, url: &Url) -> bool {
        self.0.as_ref().is_some_and(|settings| settings.names(url))
    }
}

impl Settings {
    fn names(&self, url: &Url) -> bool {
        let place = url.host_str().zip(url.port_or_known_default()).map(|(host, port)| format!("{host}:{port}"));
        place.is_some_and(|place| self.allow.contains(&place))
    }
}

/// Names that are nobody's on the public internet; for a better message, since their addresses are judged anyway.
fn is_public_name(host: &str) -> bool {
    let name = host.trim_end_matches('.');
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains('.') && !NOBODYS.contains(&last)
}
