//! Public keys of an issuer, and the one algorithm that each is for.
//!
//! The arithmetic is ring's. A key is checked with by the algorithm of its own kind and no other: what a token says about
//! algorithms only has to agree. There are no shared secrets, so no public key can be taken for one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// More keys than an issuer has.
const MOST: usize = 100;

/// An algorithm of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA, PKCS #1 v1.5, SHA-256; 2048 bits at least.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm with this word, spelled exactly so.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A public key, as bytes of its kind.
#[derive(Clone, Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A public key with its name.
#[derive(Clone, Debug)]
pub(super) struct Key {
    id: String,
    material: Material,
}

/// A key as it is published (RFC 7517).
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Key {
    /// The keys of a published set that can be used here; none when it is no set. Others, for encryption or of kinds that
    /// are not taken, are passed over.
    pub fn all(text: &[u8]) -> Option<Vec<Self>> {
        let set: KeySet = serde_json::from_slice(text).ok()?;
        let published = set.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok());
        Some(published.filter_map(Self::of).collect())
    }

    fn of(key: Published) -> Option<Self> {
        let signs = key.purpose.is_none_or(|purpose| purpose == "sig")
            && key.key_ops.is_none_or(|all| all.iter().any(|one| one == "verify"));
        let bytes = |text: Option<String>| text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let material = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: bytes(key.n)?, e: bytes(key.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(key.x)?, bytes(key.y)?);
                let whole = x.len() == 32 && y.len() == 32;
                Material::P256(whole.then(|| [&[4][..], &x, &y].concat())?)
            }
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(key.x)?),
            _ => return None,
        };
        let fits = key.alg.is_none_or(|word| Algorithm::of_word(&word) == Some(material.algorithm()));
        Some(Self { id: key.kid.filter(|_| signs && fits)?, material })
    }

    /// Whether this is the key of that name for that algorithm.
    pub fn is(&self, id: &str, algorithm: Algorithm) -> bool {
        self.id == id && self.material.algorithm() == algorithm
    }

    /// Whether its owner signed this.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Material::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature),
            Material::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
        };
        verified.is_ok()
    }
}

impl Material {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }
}
