//! Accepted uploads.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::blob_keys::keep_key;
use super::custodial::Custodial;
use super::error::StoreError;
use super::scope::Scope;
use super::sealed::Blob;

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
    pub blob: Blob,
    /// When the upload was complete.
    pub created_at: OffsetDateTime,
}

/// Adds a version; `version` and `created_at` of the argument are ignored.
///
/// # Errors
/// Database faults only.
pub async fn add_version(scope: &impl Scope, dataset: Uuid, new: &Version) -> Result<Version, StoreError> {
    let mut tx = scope.begin().await?;
    // Uploads to one dataset are numbered one after the other.
    sqlx::query!("select id from datasets where id = $1 for update", dataset).fetch_one(&mut *tx).await?;
    let made = sqlx::query!(
        r#"insert into dataset_versions (dataset_id, version, rows, bytes, sha256, blob)
         select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5 from dataset_versions where dataset_id = $1
         returning version, created_at"#,
        dataset,
        new.rows,
        new.bytes,
        new.sha256,
        new.blob.name,
    )
    .fetch_one(&mut *tx)
    .await?;
    keep_key(&mut tx, dataset, &new.blob).await?;
    tx.commit().await?;
    Ok(Version { version: made.version, created_at: made.created_at, ..new.clone() })
}

/// The newest version, if rows were ever uploaded and their time is not over.
///
/// # Errors
/// Database faults only.
pub async fn latest_version(scope: &impl Scope, dataset: Uuid) -> Result<Option<Custodial<Version>>, StoreError> {
    let latest = sqlx::query!(
        r#"select version as "version!", rows as "rows!", bytes as "bytes!", sha256 as "sha256!", v.blob as "name!",
                  created_at as "created_at!",
                  k.storage_key as "storage_key?", k.wrapped as "wrapped?"
           from dataset_versions v left join blob_keys k on k.blob = v.blob
           where v.dataset_id = $1 and v.blob is not null
               and version = (select max(n.version) from dataset_versions n where n.dataset_id = $1)"#,
        dataset,
    )
    .fetch_optional(&mut *scope.begin().await?)
    .await?;
    Ok(latest.map(|row| {
        Custodial::new(Version {
            version: row.version,
            rows: row.rows,
            bytes: row.bytes,
            sha256: row.sha256,
            blob: Blob::of(dataset, row.name, (row.storage_key, row.wrapped)),
            created_at: row.created_at,
        })
    }))
}

/// The newest version of a dataset that is declared public, and its number of rows, which is no secret then.
///
/// # Errors
/// [`StoreError::NotPublic`] for every other dataset; [`StoreError::NoRows`].
pub async fn public_version(scope: &impl Scope, dataset: Uuid) -> Result<(i32, i64), StoreError> {
    let mut tx = scope.begin().await?;
    let public = sqlx::query_scalar!("select public from datasets where id = $1 and deleted_at is null", dataset);
    if !public.fetch_optional(&mut *tx).await?.ok_or(StoreError::NotFound("dataset"))? {
        return Err(StoreError::NotPublic);
    }
    let newest = sqlx::query!(
        "select version, rows from dataset_versions
         where dataset_id = $1 and blob is not null
             and version = (select max(n.version) from dataset_versions n where n.dataset_id = $1)",
        dataset,
    );
    let newest = newest.fetch_optional(&mut *tx).await?.ok_or(StoreError::NoRows)?;
    if newest.rows == 0 { Err(StoreError::NoRows) } else { Ok((newest.version, newest.rows)) }
}

/// The blob of one version.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn version_blob(pool: &PgPool, dataset: Uuid, version: i32) -> Result<Blob, StoreError> {
    let row = sqlx::query!(
        r#"select v.blob as "name!", k.storage_key as "storage_key?", k.wrapped as "wrapped?"
           from dataset_versions v left join blob_keys k on k.blob = v.blob
           where v.dataset_id = $1 and version = $2 and v.blob is not null"#,
        dataset,
        version,
    );
    let row = row.fetch_optional(pool).await?.ok_or(StoreError::NotFound("version of the dataset"))?;
    Ok(Blob::of(dataset, row.name, (row.storage_key, row.wrapped)))
}
