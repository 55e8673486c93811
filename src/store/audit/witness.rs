//! Where the log ended, once more, outside of the database: a log that was cut off with a fitting end is found by it.

use std::io;

use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::entry::lower_hex;
use super::read::audit_end;
use crate::privacy::Digest;
use crate::store::blobs::Blobs;
use crate::store::error::StoreError;
use crate::store::pool::aside;

/// The page.
const PAGE: &str = "audit/head";

/// Where the log ended when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditWitness {
    /// Lines.
    pub entries: i64,
    /// The digest of the last of them.
    #[serde(with = "lower_hex")]
    pub head: Digest,
}

/// What is witnessed, if anything is.
///
/// # Errors
/// [`StoreError::Blob`], also when the page cannot be read.
pub async fn audit_witness(blobs: &Blobs) -> Result<Option<AuditWitness>, StoreError> {
    let storage = blobs.clone();
    aside(move || {
        let Some(bytes) = storage.page(PAGE)? else { return Ok(None) };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the witnessed end of the audit log is damaged");
        serde_json::from_slice(&bytes).map(Some).map_err(|_| damaged())
    })
    .await
}

/// Whether the database still has the line that is witnessed as the last one.
///
/// # Errors
/// Database faults only.
pub async fn audit_keeps(pool: &PgPool, witnessed: &AuditWitness) -> Result<bool, StoreError> {
    let line = sqlx::query_scalar!("select digest from audit_entries where seq = $1", witnessed.entries);
    Ok(line.fetch_optional(pool).await?.is_some_and(|digest| digest == witnessed.head))
}

/// Witnesses where the log ends now; says whether it still holds what was witnessed before. If it does not, the old
/// witness stays.
///
/// # Errors
/// [`StoreError::Blob`], [`StoreError::Unavailable`]: then try again.
pub async fn witness_audit(pool: &PgPool, blobs: &Blobs) -> Result<bool, StoreError> {
    let before = audit_witness(blobs).await?;
    if let Some(before) = &before
        && !audit_keeps(pool, before).await?
    {
        return Ok(false);
    }
    let (entries, head) = audit_end(pool).await?;
    if entries > before.map_or(0, |before| before.entries) {
        write(blobs, AuditWitness { entries, head }).await?;
    }
    Ok(true)
}

/// Witnesses the log as it is, whatever was witnessed before: after a restore, lines are lost for good. Gives what was
/// witnessed and is not there any more.
///
/// # Errors
/// As [`witness_audit`].
pub async fn replace_audit_witness(pool: &PgPool, blobs: &Blobs) -> Result<Option<AuditWitness>, StoreError> {
    if witness_audit(pool, blobs).await? {
        return Ok(None);
    }
    let ((entries, head), before) = (audit_end(pool).await?, audit_witness(blobs).await?);
    write(blobs, AuditWitness { entries, head }).await?;
    Ok(before)
}

async fn write(blobs: &Blobs, witness: AuditWitness) -> Result<(), StoreError> {
    let storage = blobs.clone();
    aside(move || storage.replace_page(PAGE, &serde_json::to_vec(&witness)?)).await
}
