//! Keys of the API, as digests.

use sqlx::PgPool;

use super::custodial::Role;
use super::error::StoreError;

/// A key to store.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The public part.
    pub id: String,
    /// SHA-256 of the secret part.
    pub secret: [u8; 32],
    /// What it may do.
    pub role: Role,
}

/// Stores a key.
///
/// # Errors
/// Database faults only.
pub async fn insert_key(pool: &PgPool, key: &NewKey) -> Result<(), StoreError> {
    let role = key.role.word();
    sqlx::query!("insert into api_keys (id, secret, role) values ($1, $2, $3)", key.id, &key.secret[..], role)
        .execute(pool)
        .await?;
    Ok(())
}

/// Whether any key was ever made.
///
/// # Errors
/// Database faults only.
pub async fn any_key(pool: &PgPool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select exists (select from api_keys) as "any!""#).fetch_one(pool).await?)
}

/// The digest of the secret of an unrevoked key, and what it may do.
///
/// # Errors
/// Database faults only.
pub async fn key_secret(pool: &PgPool, id: &str) -> Result<Option<(Vec<u8>, Role)>, StoreError> {
    let row =
        sqlx::query!(r#"select secret, role as "role: Role" from api_keys where id = $1 and revoked_at is null"#, id)
            .fetch_optional(pool)
            .await?;
    Ok(row.map(|row| (row.secret, row.role)))
}
