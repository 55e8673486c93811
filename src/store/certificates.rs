//! Certificates that were issued, and the public keys that they are checked with.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::StoreError;
use super::scope::Scope;
use crate::privacy::PublicKey;

/// The version of this program, with `+COMMIT` where `DP2STAGE_COMMIT` named one when it was built.
#[must_use]
pub fn program() -> String {
    let version = env!("CARGO_PKG_VERSION");
    option_env!("DP2STAGE_COMMIT").map_or_else(|| version.to_owned(), |commit| format!("{version}+{commit}"))
}

/// A public key of this installation.
#[derive(Clone, Debug)]
pub struct KnownSigner {
    /// The key.
    pub key: PublicKey,
    /// When a server first signed, or was ready to sign, with it.
    pub since: OffsetDateTime,
    /// When another took its place. What it signed before goes on being valid.
    pub retired_at: Option<OffsetDateTime>,
}

/// Says that a server signs with this key from now on. It may be known already.
///
/// # Errors
/// Database faults only.
pub async fn add_signer(pool: &PgPool, key: &PublicKey) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into certificate_keys (id, public_key) values ($1, $2) on conflict (id) do nothing",
        key.id(),
        key.as_bytes().as_slice(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Says that no server signs with this key any more.
///
/// # Errors
/// Database faults only.
pub async fn retire_signer(pool: &PgPool, key: &PublicKey) -> Result<(), StoreError> {
    sqlx::query!(
        "update certificate_keys set retired_at = clock_timestamp() where id = $1 and retired_at is null",
        key.id(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// All keys that ever signed here, the newest first.
///
/// # Errors
/// Database faults; [`StoreError::Unreadable`].
pub async fn signers(pool: &PgPool) -> Result<Vec<KnownSigner>, StoreError> {
    let rows = sqlx::query!("select public_key, since, retired_at from certificate_keys order by since desc, id")
        .fetch_all(pool)
        .await?;
    let known = |bytes: Vec<u8>, since, retired_at| {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| StoreError::Unreadable("a key of certificates"))?;
        Ok(KnownSigner { key: PublicKey::from_bytes(bytes), since, retired_at })
    };
    rows.into_iter().map(|row| known(row.public_key, row.since, row.retired_at)).collect()
}

/// The certificate of a job, if one was issued.
///
/// # Errors
/// Database faults only.
pub async fn certificate(scope: &impl Scope, job: Uuid) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!("select envelope from certificates where job_id = $1", job)
        .fetch_optional(&mut *scope.begin().await?)
        .await?)
}

/// Keeps a certificate, unless another server was quicker; returns the one that is kept.
///
/// # Errors
/// Database faults; a key that is not known.
pub async fn keep_certificate(
    scope: &impl Scope,
    job: Uuid,
    key: &PublicKey,
    envelope: &str,
) -> Result<String, StoreError> {
    let mut tx = scope.begin().await?;
    sqlx::query!(
        "insert into certificates (job_id, key_id, envelope) values ($1, $2, $3) on conflict (job_id) do nothing",
        job,
        key.id(),
        envelope,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    certificate(scope, job).await?.ok_or(StoreError::NotFound("certificate"))
}

/// The program that finished a job; none where that was not written down.
///
/// # Errors
/// Database faults only.
pub async fn finishing_program(scope: &impl Scope, job: Uuid) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!("select finished_by from jobs where id = $1", job)
        .fetch_optional(&mut *scope.begin().await?)
        .await?
        .flatten())
}
