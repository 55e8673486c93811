//! Where a job can be resumed.

use sqlx::PgPool;

use super::edges::edge;
use super::error::StoreError;
use super::leases::Lease;

/// Points the job to a newer checkpoint blob.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn set_checkpoint(pool: &PgPool, lease: Lease, blob: &str) -> Result<(), StoreError> {
    edge("checkpoint", "before")?;
    sqlx::query!(
        "update jobs set checkpoint = $3
         where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
         returning id",
        lease.job_id,
        lease.epoch,
        blob,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    edge("checkpoint", "after")
}
