//! Keys of Ed25519, as files and as JSON Web Keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What comes before the 32 bytes of a private key in PKCS #8 (RFC 8410, section 7).
const PRIVATE: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What comes before the 32 bytes of a public key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Text that is no key of Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct BadKey(&'static str);

/// What certificates are signed with. It never prints itself.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl SigningKey {
    /// The key of these 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads what `openssl genpkey -algorithm ed25519` and [`SigningKey::to_pem`] write.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn from_pem(text: &str) -> Result<Self, BadKey> {
        let bad = BadKey("a private key of Ed25519 in PEM: PKCS #8, not encrypted");
        let bytes = pem(text, "PRIVATE KEY").ok_or(bad)?;
        let seed = bytes.strip_prefix(&PRIVATE).and_then(|seed| seed.try_into().ok()).ok_or(bad)?;
        Ok(Self::from_seed(seed))
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        written(&[PRIVATE.as_slice(), self.0.as_bytes()].concat(), "PRIVATE KEY")
    }

    /// What its signatures are checked with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// A signature over a message: the same one for the same message, always.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// What signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl PublicKey {
    /// The key with these bytes, whether or not they are a point of the curve: nothing has a signature under one that
    /// is not.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Its name: the thumbprint of RFC 7638, the base64url of a SHA-256 over the key as a JSON Web Key.
    #[must_use]
    pub fn id(&self) -> String {
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(self.0));
        URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.as_bytes()))
    }

    /// The key as PEM, for `openssl pkeyutl -verify -rawin -pubin`.
    #[must_use]
    pub fn to_pem(&self) -> String {
        written(&[PUBLIC.as_slice(), &self.0].concat(), "PUBLIC KEY")
    }

    /// Every key that a text holds: base64, base64url or hex of 32 bytes, PEM, a JSON Web Key, or a set of them.
    ///
    /// # Errors
    /// [`BadKey`] when it is none of these.
    pub fn all_of(text: &str) -> Result<Vec<Self>, BadKey> {
        let text = text.trim();
        if text.starts_with('{') {
            let set = serde_json::from_str::<Jwks>(text).map(|set| set.keys);
            let keys = set.or_else(|_| serde_json::from_str::<Jwk>(text).map(|key| vec![key]));
            let keys = keys.map_err(|_| BadKey("a JSON Web Key, nor a set of them"))?;
            return keys.iter().map(Jwk::key).collect();
        }
        let bytes = match text.starts_with("-----") {
            true => pem(text, "PUBLIC KEY").and_then(|bytes| Some(bytes.strip_prefix(&PUBLIC)?.to_vec())),
            false => [STANDARD.decode(text).ok(), URL_SAFE_NO_PAD.decode(text).ok(), hex::decode(text).ok()]
                .into_iter()
                .flatten()
                .find(|bytes| bytes.len() == 32),
        };
        let key = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        Ok(vec![key.ok_or(BadKey("a public key of Ed25519: 32 bytes in base64 or hex, PEM, or a JSON Web Key"))?])
    }

    /// Whether this is a signature of the key over a message. Strict: there is one signature for a message, and
    /// none under keys of small order.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) =
            (ed25519_dalek::VerifyingKey::from_bytes(&self.0), ed25519_dalek::Signature::from_slice(signature))
        else {
            return false;
        };
        key.verify_strict(message, &signature).is_ok()
    }
}

/// A public key as a JSON Web Key (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The 32 bytes in base64url without padding.
    pub x: String,
    /// The name of the key: its thumbprint (RFC 7638).
    #[serde(default)]
    pub kid: String,
    /// `EdDSA`.
    #[serde(default)]
    pub alg: String,
    /// `sig`.
    #[serde(default, rename = "use")]
    pub usage: String,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwk {
    /// A key as a JSON Web Key.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(key.0),
            kid: key.id(),
            alg: "EdDSA".to_owned(),
            usage: "sig".to_owned(),
        }
    }

    /// The key.
    ///
    /// # Errors
    /// [`BadKey`] for one that is not of Ed25519.
    pub fn key(&self) -> Result<PublicKey, BadKey> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.x).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.filter(|_| self.kty == "OKP" && self.crv == "Ed25519");
        bytes.map(PublicKey).ok_or(BadKey("a JSON Web Key of Ed25519"))
    }
}

/// The bytes between the lines of a PEM.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let body = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.trim_end().strip_suffix(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body.as_bytes()).ok()
}

fn written(bytes: &[u8], label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}
