//! A token, taken apart and judged: JWS in the compact form (RFC 7515) with the claims of a JWT (RFC 7519).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::{Map, Value};

use super::jwk::Algorithm;

/// Longer ones are not looked at.
const LONGEST: usize = 16 << 10;
/// Longer names of keys and subjects are nobody's.
const LONGEST_NAME: usize = 255;
/// What clocks may differ by, in seconds.
const LEEWAY: f64 = 60.0;

/// A token whose signature is still to be checked.
pub(super) struct Token<'a> {
    /// What it says it is signed with.
    pub algorithm: Algorithm,
    /// The name of the key.
    pub key: String,
    /// What is signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    payload: &'a str,
}

/// The part of a token that says how it is signed. Where keys could be found, which it may say too, is not looked at.
#[derive(serde::Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: String,
    typ: Option<String>,
    /// Extensions that must be understood: there are none here.
    crit: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart; none for what is no token that could be good.
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        let kinds = ["jwt", "at+jwt", "application/at+jwt"];
        let meant = header.typ.is_none_or(|kind| kinds.contains(&kind.to_ascii_lowercase().as_str()));
        if !meant || header.crit.is_some() || header.b64.is_some() || !is_name(&header.kid) {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::of_word(&header.alg)?,
            key: header.kid,
            message: message.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            payload,
        })
    }

    /// What it claims, which counts for nothing before its signature is checked.
    pub fn claims(&self) -> Option<Claims> {
        let payload = URL_SAFE_NO_PAD.decode(self.payload).ok()?;
        Some(Claims { registered: serde_json::from_slice(&payload).ok()?, all: serde_json::from_slice(&payload).ok()? })
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && !text.contains(char::is_control)
}

/// What a token claims.
pub(super) struct Claims {
    registered: Registered,
    all: Map<String, Value>,
}

#[derive(serde::Deserialize)]
struct Registered {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    /// A number, or nothing at all: what cannot be read would never be checked.
    #[serde(default, deserialize_with = "number")]
    nbf: Option<f64>,
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    f64::deserialize(deserializer).map(Some)
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    /// Who it is about, if it is of this issuer, meant for this audience, and good at this moment, in seconds of Unix time.
    pub fn subject(&self, issuer: &str, audience: &str, now: f64) -> Option<&str> {
        let Registered { iss, sub, aud, exp, nbf } = &self.registered;
        let meant = match aud {
            Audience::One(one) => one == audience,
            Audience::Many(many) => many.iter().any(|one| one == audience),
        };
        // Written so that what is no number at all is never good.
        let timely = now < exp + LEEWAY && nbf.is_none_or(|nbf| nbf <= now + LEEWAY);
        (iss == issuer && meant && timely && is_name(sub)).then_some(sub)
    }

    /// The texts of a claim: of one, or of a list. A claim with that very name goes before one that lies deeper.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let deeper = || {
            let (first, rest) = name.split_once('.')?;
            rest.split('.').try_fold(self.all.get(first)?, |value, part| value.get(part))
        };
        match self.all.get(name).or_else(deeper) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}
