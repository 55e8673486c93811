//! Accepted uploads.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::custodial::Custodial;
use super::error::StoreError;

/// One accepted upload. Counts and digest are for the custodian alone.
#[derive(Clone, Debug)]
pub struct Version {
    /// 1, 2, 3 in the order of upload.
    pub version: i32,
    /// Rows accepted.
    pub rows: i64,
    /// Bytes of the body as it was sent.
    pub bytes: i64,
    /// SHA-256 of the body as it was sent, in hex.
    pub sha256: String,
    /// The blob with the encoded rows.
    pub blob: String,
    /// When the upload was complete.
    pub created_at: OffsetDateTime,
}

/// Adds a version; `version` and `created_at` of the argument are ignored.
///
/// # Errors
/// Database faults only.
pub async fn add_version(pool: &PgPool, dataset: Uuid, new: &Version) -> Result<Version, StoreError> {
    let mut tx = pool.begin().await?;
    // Uploads to one dataset are numbered one after the other.
    sqlx::query!("select id from datasets where id = $1 for update", dataset).fetch_one(&mut *tx).await?;
    let version = sqlx::query_as!(
        Version,
        r#"insert into dataset_versions (dataset_id, version, rows, bytes, sha256, blob)
         select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5 from dataset_versions where dataset_id = $1
         returning version, rows, bytes, sha256 as "sha256!", blob as "blob!", created_at"#,
        dataset,
        new.rows,
        new.bytes,
        new.sha256,
        new.blob,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(version)
}

/// The newest version, if rows were ever uploaded.
///
/// # Errors
/// Database faults only.
pub async fn latest_version(pool: &PgPool, dataset: Uuid) -> Result<Option<Custodial<Version>>, StoreError> {
    let latest = sqlx::query_as!(
        Version,
        r#"select version, rows, bytes, sha256 as "sha256!", blob as "blob!", created_at from dataset_versions
           where dataset_id = $1 and blob is not null order by version desc limit 1"#,
        dataset,
    )
    .fetch_optional(pool)
    .await?;
    Ok(latest.map(Custodial::new))
}

/// The newest version of a dataset that is declared public, and its number of rows, which is no secret then.
///
/// # Errors
/// [`StoreError::NotPublic`] for every other dataset; [`StoreError::NoRows`].
pub async fn public_version(pool: &PgPool, dataset: Uuid) -> Result<(i32, i64), StoreError> {
    let public = sqlx::query_scalar!("select public from datasets where id = $1 and deleted_at is null", dataset);
    if !public.fetch_optional(pool).await?.ok_or(StoreError::NotFound("dataset"))? {
        return Err(StoreError::NotPublic);
    }
    let newest = sqlx::query!(
        "select version, rows from dataset_versions
         where dataset_id = $1 and blob is not null order by version desc limit 1",
        dataset,
    );
    let newest = newest.fetch_optional(pool).await?.ok_or(StoreError::NoRows)?;
    if newest.rows == 0 { Err(StoreError::NoRows) } else { Ok((newest.version, newest.rows)) }
}

/// The blob of one version.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn version_blob(pool: &PgPool, dataset: Uuid, version: i32) -> Result<String, StoreError> {
    sqlx::query_scalar!("select blob from dataset_versions where dataset_id = $1 and version = $2", dataset, version)
        .fetch_optional(pool)
        .await?
        .flatten()
        .ok_or(StoreError::NotFound("version of the dataset"))
}
