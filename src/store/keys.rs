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
    /// On whose behalf it calls.
    pub tenant: String,
}

/// A key that is known.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// SHA-256 of the secret part.
    pub secret: Vec<u8>,
    /// What it may do.
    pub role: Role,
    /// On whose behalf it calls.
    pub tenant: String,
}

/// Stores a key.
///
/// # Errors
/// Database faults only.
pub async fn insert_key(pool: &PgPool, key: &NewKey) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into api_keys (id, secret, role, tenant) values ($1, $2, $3, $4)",
        key.id,
        &key.secret[..],
        key.role.word(),
        key.tenant,
    )
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

/// The unrevoked key of this id.
///
/// # Errors
/// Database faults only.
pub async fn find_key(pool: &PgPool, id: &str) -> Result<Option<KnownKey>, StoreError> {
    Ok(sqlx::query_as!(
        KnownKey,
        r#"select secret, role as "role: Role", tenant from api_keys where id = $1 and revoked_at is null"#,
        id
    )
    .fetch_optional(pool)
    .await?)
}
