//! One line of the audit log, and the digest that ties it to the line before.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::privacy::Digest;

/// Something is about to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditOpening {
    /// The id of the request.
    pub request_id: String,
    /// The public part of the key; none where no key is asked for.
    pub key: Option<String>,
    /// What the key may do; `operator` on the command line, and for what servers do by themselves.
    pub role: String,
    /// On whose behalf.
    pub tenant: String,
    /// The method of HTTP, `CLI`, or `SWEEP`.
    pub method: String,
    /// The template of the route, the command, or `retention`.
    pub route: String,
    /// Ids of what it is about. They hold no space.
    pub objects: Vec<String>,
}

impl AuditOpening {
    /// A command of the command line, about these objects.
    #[must_use]
    pub fn of_command(command: &str, objects: Vec<String>) -> Self {
        Self::of_operator(("CLI", command), "default", objects)
    }

    /// Something of a tenant's that a server destroys because its time is over: the dataset, and jobs.
    #[must_use]
    pub fn of_sweep(tenant: &str, objects: Vec<String>) -> Self {
        Self::of_operator(("SWEEP", "retention"), tenant, objects)
    }

    fn of_operator((method, route): (&str, &str), tenant: &str, objects: Vec<String>) -> Self {
        Self {
            request_id: uuid::Uuid::now_v7().to_string(),
            key: None,
            role: "operator".to_owned(),
            tenant: tenant.to_owned(),
            method: method.to_owned(),
            route: route.to_owned(),
            objects,
        }
    }
}

/// Something is done, or was refused, or was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditCompletion {
    /// The line that it completes.
    pub opened: i64,
    /// The status of the answer; none when it was given up without one.
    pub status: Option<u16>,
    /// Ids of what was made or touched. They hold no space.
    pub objects: Vec<String>,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditLine {
    /// The first of two lines.
    Opened(AuditOpening),
    /// The second.
    Completed(AuditCompletion),
}

/// One line, as it is stored and exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditEntry {
    /// 1, 2, 3 in the order of writing.
    pub seq: i64,
    /// When, in microseconds of Unix time.
    pub at_micros: i64,
    /// What it says.
    pub line: AuditLine,
    /// The digest.
    #[serde(with = "lower_hex")]
    pub digest: Digest,
}

impl AuditEntry {
    /// The line that follows one with the digest `before`.
    #[must_use]
    pub fn after(before: &Digest, (seq, at_micros): (i64, i64), line: AuditLine) -> Self {
        let mut entry = Self { seq, at_micros, line, digest: *before };
        entry.digest = entry.digest_after(before);
        entry
    }

    /// The digest that the line should have after a line with the digest `before`. Every part goes in with its length,
    /// and what may be absent with a sign when it is there, so that no two lines read the same.
    #[must_use]
    pub fn digest_after(&self, before: &Digest) -> Digest {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(b"dp2stage audit 1");
        part(before);
        part(&self.seq.to_le_bytes());
        part(&self.at_micros.to_le_bytes());
        let objects = match &self.line {
            AuditLine::Opened(opening) => {
                let AuditOpening { request_id, key, role, tenant, method, route, objects } = opening;
                part(b"opened");
                part(request_id.as_bytes());
                part(&key.as_ref().map_or_else(Vec::new, |key| [b"=", key.as_bytes()].concat()));
                for text in [role, tenant, method, route] {
                    part(text.as_bytes());
                }
                objects
            }
            AuditLine::Completed(AuditCompletion { opened, status, objects }) => {
                part(b"completed");
                part(&opened.to_le_bytes());
                part(&status.map_or_else(Vec::new, |status| status.to_le_bytes().to_vec()));
                objects
            }
        };
        part(&(objects.len() as u64).to_le_bytes());
        for object in objects {
            part(object.as_bytes());
        }
        hash.finalize().into()
    }
}

/// Digests in hex, in small letters alone: a file in which one letter was made large was changed.
pub(super) mod lower_hex {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::privacy::Digest;

    pub fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(digest))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let (text, mut digest) = (String::deserialize(deserializer)?, [0; 32]);
        if text.bytes().any(|b| b.is_ascii_uppercase()) || hex::decode_to_slice(&text, &mut digest).is_err() {
            return Err(D::Error::custom("a digest is 64 digits 0 to 9 and a to f"));
        }
        Ok(digest)
    }
}
