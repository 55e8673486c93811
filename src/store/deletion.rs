//! Deleting a dataset: everything private about it goes; its budget and what was released stay.
//!
//! The keys of its uploads and reports go in the same transaction, by triggers (`migrations/0011_sealed.sql`): whoever has
//! copies of the storage cannot open them from then on, whether or not the blobs themselves could be removed.

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::StoreError;
use super::scope::Scope;

/// Marks a dataset as deleted and forgets its uploads and the exact reports of its jobs; returns the
/// blobs that nothing names any more, for the caller to remove.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::DatasetInUse`] while jobs on it are queued or running.
pub async fn delete_dataset(scope: &impl Scope, id: Uuid) -> Result<Vec<String>, StoreError> {
    let mut tx = scope.begin().await?;
    // Submissions hold a share of this lock: none comes between the question and the deletion.
    sqlx::query_scalar!("select id from datasets where id = $1 and deleted_at is null for update", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound("dataset"))?;
    let busy = sqlx::query_scalar!(
        r#"select exists (
               select from jobs where status in ('queued', 'running')
                   and (dataset_id = $1 or plan #>> '{public_table,dataset}' = $1::text)) as "any!""#,
        id,
    )
    .fetch_one(&mut *tx)
    .await?;
    if busy {
        return Err(StoreError::DatasetInUse);
    }
    sqlx::query!("update datasets set deleted_at = clock_timestamp() where id = $1", id).execute(&mut *tx).await?;
    let mut blobs = sqlx::query_scalar!(
        r#"with old as (select version, blob from dataset_versions where dataset_id = $1 and blob is not null)
           update dataset_versions v set blob = null, sha256 = null from old
           where v.dataset_id = $1 and v.version = old.version returning old.blob as "blob!""#,
        id,
    )
    .fetch_all(&mut *tx)
    .await?;
    blobs.extend(
        sqlx::query_scalar!(
            "delete from artifacts where kind = 'report' and job_id in (select id from jobs where dataset_id = $1)
             returning blob",
            id,
        )
        .fetch_all(&mut *tx)
        .await?,
    );
    let unnamed = unnamed(&mut tx, blobs).await?;
    tx.commit().await?;
    Ok(unnamed)
}

/// Those of these blobs that nothing names any more. Programs that did not seal named blobs by their contents: another
/// upload may hold the same one.
pub(super) async fn unnamed(tx: &mut PgConnection, blobs: Vec<String>) -> Result<Vec<String>, StoreError> {
    let mut unnamed = Vec::new();
    for blob in blobs {
        let named = sqlx::query_scalar!(
            r#"select exists (select from dataset_versions where blob = $1)
                   or exists (select from artifacts where blob = $1) as "any!""#,
            blob,
        )
        .fetch_one(&mut *tx)
        .await?;
        if !named {
            unnamed.push(blob);
        }
    }
    Ok(unnamed)
}
