//! A signed payload: the Dead Simple Signing Envelope, version 1.
//!
//! What is signed is what is carried, byte for byte. Schemes that sign "the canonical form" of a JSON document ask every
//! reader to make that form again, where numbers, key order, escapes and doubled keys are read in different ways by
//! different libraries; here there is nothing to make again, and a decimal such as 0.30000000000000004 arrives as
//! it was written. The type of the payload is signed with it, so a signature over one kind of document is never
//! taken for one over another. Programs that know the format exist in most languages; without one it is three lines:
//! decode `payload`, put the header before it, check the signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::keys::{PublicKey, SigningKey};

/// A payload and its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignedCertificate)]
pub struct Envelope {
    /// `application/vnd.dp2stage.certificate+json`.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The certificate as JSON, in base64. What is signed are these bytes behind a header: `DSSEv1`, the length of
    /// `payloadType` in decimal, `payloadType`, the length of the decoded payload, the decoded payload, with one
    /// space between each two.
    pub payload: String,
    /// One signature.
    pub signatures: Vec<Signature>,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CertificateSignature)]
pub struct Signature {
    /// The name of the key, as `GET /v1/certificate-keys` lists it.
    pub keyid: String,
    /// The 64 bytes of Ed25519 in base64.
    pub sig: String,
}

/// Why an envelope is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// Of another kind.
    #[error("the envelope does not hold a certificate: its payloadType is another one")]
    Type,
    /// Not base64.
    #[error("the payload or the signature is not base64")]
    Base64,
    /// More or fewer than one.
    #[error("a certificate has one signature")]
    Count,
    /// The name of a key that is not there.
    #[error("the key that it was signed with is not among those given: it names another keyid")]
    Key,
    /// Changed, or signed by somebody else.
    #[error("the signature does not fit: the certificate was changed, or somebody else signed it")]
    Signature,
}

impl Envelope {
    /// The type of the payload.
    pub const TYPE: &'static str = "application/vnd.dp2stage.certificate+json";

    /// Signs a payload.
    #[must_use]
    pub fn sign(payload: &[u8], key: &SigningKey) -> Self {
        let sig = STANDARD.encode(key.sign(&signed(Self::TYPE, payload)));
        Self {
            payload_type: Self::TYPE.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![Signature { keyid: key.public().id(), sig }],
        }
    }

    /// The payload, when one of these keys signed it.
    ///
    /// # Errors
    /// [`EnvelopeFault`].
    pub fn open(&self, keys: &[PublicKey]) -> Result<Vec<u8>, EnvelopeFault> {
        let [signature] = self.signatures.as_slice() else { return Err(EnvelopeFault::Count) };
        let key = keys.iter().find(|key| key.id() == signature.keyid).ok_or(EnvelopeFault::Key)?;
        let payload = self.unchecked()?;
        let sig = STANDARD.decode(&signature.sig).map_err(|_| EnvelopeFault::Base64)?;
        match key.verifies(&signed(&self.payload_type, &payload), &sig) {
            true => Ok(payload),
            false => Err(EnvelopeFault::Signature),
        }
    }

    /// The payload as it is: nobody may rely on it.
    ///
    /// # Errors
    /// [`EnvelopeFault`] when it is of another type, or no base64.
    pub fn unchecked(&self) -> Result<Vec<u8>, EnvelopeFault> {
        if self.payload_type != Self::TYPE {
            return Err(EnvelopeFault::Type);
        }
        STANDARD.decode(&self.payload).map_err(|_| EnvelopeFault::Base64)
    }
}

/// What is signed: lengths stand before what they measure, so that no two pairs read the same.
fn signed(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let header = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [header.as_bytes(), payload].concat()
}
