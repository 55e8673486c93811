//! Where a job can be resumed.

use sqlx::PgPool;

use super::edges::edge;
use super::error::StoreError;
use super::leases::Lease;
use super::sealed::Blob;

/// Points the job to a newer checkpoint blob, and keeps its key; that of the one before it is destroyed.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn set_checkpoint(pool: &PgPool, lease: Lease, blob: &Blob) -> Result<(), StoreError> {
    edge("checkpoint", "before")?;
    let (storage_key, wrapped) = blob.key.as_ref().map(|key| (&*key.storage_key, &*key.bytes)).unzip();
    // It may be said twice, when the first answer was lost.
    sqlx::query!(
        "with job as (
             update jobs set checkpoint = $3
             where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
             returning dataset_id),
         key as (
             insert into blob_keys (blob, dataset_id, storage_key, wrapped)
             select $3, dataset_id, $4, $5 from job where $4::text is not null
             on conflict (blob) do nothing)
         select dataset_id from job",
        lease.job_id,
        lease.epoch,
        blob.name,
        storage_key,
        wrapped,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    edge("checkpoint", "after")
}
