//! Keys of the API, as digests.

use sqlx::PgPool;
use time::OffsetDateTime;

use super::custodial::Role;
use super::edges::commit;
use super::error::StoreError;
use super::scope::Scope;

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
    /// What it is for.
    pub name: Option<String>,
    /// From when on it opens nothing.
    pub expires_at: Option<OffsetDateTime>,
}

/// A key that opens something.
#[derive(Clone, Debug)]
pub struct KnownKey {
    /// SHA-256 of the secret part.
    pub secret: Vec<u8>,
    /// What it may do.
    pub role: Role,
    /// On whose behalf it calls.
    pub tenant: String,
}

/// What may be shown of a key.
#[derive(Clone, Debug)]
pub struct Key {
    /// The public part.
    pub id: String,
    /// What it may do.
    pub role: Role,
    /// On whose behalf it calls.
    pub tenant: String,
    /// What it is for.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it opens nothing.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute.
    pub used_at: Option<OffsetDateTime>,
}

/// Stores a key.
///
/// # Errors
/// Database faults only.
pub async fn insert_key(scope: &impl Scope, key: &NewKey) -> Result<(), StoreError> {
    let mut tx = scope.begin().await?;
    sqlx::query!(
        "insert into api_keys (id, secret, role, tenant, name, expires_at) values ($1, $2, $3, $4, $5, $6)",
        key.id,
        &key.secret[..],
        key.role.word(),
        key.tenant,
        key.name,
        key.expires_at,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Whether any key was ever made.
///
/// # Errors
/// Database faults only.
pub async fn any_key(pool: &PgPool) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"select exists (select from api_keys) as "any!""#).fetch_one(pool).await?)
}

/// The key of this id, unless it was revoked or has expired.
///
/// # Errors
/// Database faults only.
pub async fn find_key(pool: &PgPool, id: &str) -> Result<Option<KnownKey>, StoreError> {
    Ok(sqlx::query_as!(
        KnownKey,
        r#"select secret, role as "role: Role", tenant from api_keys
           where id = $1 and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())"#,
        id
    )
    .fetch_optional(pool)
    .await?)
}

/// What may be shown of the key of this id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn shown_key(scope: &impl Scope, id: &str) -> Result<Key, StoreError> {
    sqlx::query_as!(
        Key,
        r#"select id, role as "role: Role", tenant, name, created_at, expires_at, revoked_at, used_at
           from api_keys where id = $1"#,
        id
    )
    .fetch_optional(&mut *scope.begin().await?)
    .await?
    .ok_or(StoreError::NotFound("key"))
}

/// Keys in the order of their making, revoked and expired ones too, at most `limit` after the one of this id.
///
/// # Errors
/// Database faults only.
pub async fn list_keys(scope: &impl Scope, after: Option<&str>, limit: i64) -> Result<Vec<Key>, StoreError> {
    Ok(sqlx::query_as!(
        Key,
        r#"select id, role as "role: Role", tenant, name, created_at, expires_at, revoked_at, used_at
           from api_keys
           where $1::text is null or (created_at, id) > (select k.created_at, k.id from api_keys k where k.id = $1)
           order by created_at, id limit $2"#,
        after,
        limit,
    )
    .fetch_all(&mut *scope.begin().await?)
    .await?)
}

/// Revokes a key; one that is revoked stays so. Servers refuse it within a second.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::LastAdmin`] for the only admin key of its tenant that opens anything,
/// unless `even_the_last`.
pub async fn revoke_key(scope: &impl Scope, id: &str, even_the_last: bool) -> Result<(), StoreError> {
    let mut tx = scope.begin().await?;
    // All of them in one order: of two admins that revoke each other's key, the second finds the first one gone.
    let admins = sqlx::query_scalar!(
        "select id from api_keys
         where role = 'admin' and tenant = (select k.tenant from api_keys k where k.id = $1) and revoked_at is null
             and (expires_at is null or expires_at > clock_timestamp()) order by id for update",
        id,
    )
    .fetch_all(&mut *tx)
    .await?;
    if admins == [id] && !even_the_last {
        return Err(StoreError::LastAdmin);
    }
    let revoked =
        sqlx::query!("update api_keys set revoked_at = coalesce(revoked_at, clock_timestamp()) where id = $1", id);
    if revoked.execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(StoreError::NotFound("key"));
    }
    commit(tx, "revoke").await
}

/// Notes that a key is in use, unless that was noted within a minute.
///
/// # Errors
/// Database faults only.
pub async fn note_use(pool: &PgPool, id: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update api_keys set used_at = clock_timestamp()
         where id = $1 and (used_at is null or used_at < clock_timestamp() - interval '55 seconds')",
        id
    )
    .execute(pool)
    .await?;
    Ok(())
}
