//! Leases: who works on a job, and the effects that only the holder may have.
//!
//! Every statement here names the job, the epoch of the claim and the unexpired lease, by the
//! database's clock. One that changes no row means that the lease is lost: stop at once.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::artifacts::{Artifact, insert_artifact};
use super::certificates::program;
use super::charges::{Charged, priced, release};
use super::edges::{commit, edge};
use super::error::StoreError;
use super::populations::lock;

/// The right to work on a job, until it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job_id: Uuid,
    /// The fencing number.
    pub epoch: i64,
}

/// A time as the database writes it.
pub(super) fn interval(ttl: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: ttl.as_micros().try_into().unwrap_or(i64::MAX) }
}

/// Extends a lease to `ttl` from now; says whether the job was asked to stop.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn renew(pool: &PgPool, lease: Lease, ttl: Duration) -> Result<bool, StoreError> {
    edge("renew", "before")?;
    let cancel_requested = sqlx::query_scalar!(
        "update jobs set lease_expires_at = clock_timestamp() + $3::interval
         where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
         returning cancel_requested",
        lease.job_id,
        lease.epoch,
        interval(ttl) as _,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    edge("renew", "after")?;
    Ok(cancel_requested)
}

/// Records how far the job is.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn progress(pool: &PgPool, lease: Lease, stage: &str, (step, steps): (i32, i32)) -> Result<(), StoreError> {
    sqlx::query!(
        "update jobs set stage_started_at = case when stage is distinct from $3 or stage_first_step is null
                                                 then clock_timestamp() else stage_started_at end,
                stage_first_step = case when stage is distinct from $3 or stage_first_step is null
                                        then $4 else stage_first_step end,
                stage = $3, step = $4, steps = $5
         where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
         returning id",
        lease.job_id,
        lease.epoch,
        stage,
        step,
        steps,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    Ok(())
}

/// Puts a job back for another worker: at once and without counting the attempt when the worker drains, or
/// counted and after a while for a fault of the worker, which has a name.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn hand_back(pool: &PgPool, lease: Lease, fault: Option<(&str, Duration)>) -> Result<(), StoreError> {
    edge("hand_back", "before")?;
    let (name, after) = fault.unwrap_or(("draining", Duration::ZERO));
    sqlx::query!(
        "update jobs set status = 'queued', lease_expires_at = null, attempts = attempts - $3, fault = $4,
                run_after = clock_timestamp() + $5::interval
         where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
         returning id",
        lease.job_id,
        lease.epoch,
        i32::from(fault.is_none()),
        name,
        interval(after) as _,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    edge("hand_back", "after")
}

/// Finishes a job and makes its results visible, in one transaction; spare blocks that were never
/// charged are handed back.
///
/// # Errors
/// [`StoreError::LeaseLost`]: then nothing was published.
pub async fn finish(pool: &PgPool, lease: Lease, artifacts: &[Artifact]) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    if !close(&mut tx, lease, ("succeeded", None), true).await?.is_paid() {
        // Results without a charge would be a leak, or a fault of ours: nothing is published.
        return Err(StoreError::Unreadable("a job that was never charged"));
    }
    for artifact in artifacts {
        insert_artifact(&mut tx, lease.job_id, artifact).await?;
    }
    commit(tx, "finish").await
}

/// Finishes a job with a failure code; a reservation that was not charged is handed back.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn fail(pool: &PgPool, lease: Lease, code: &str) -> Result<(), StoreError> {
    end_early(pool, lease, ("failed", Some(code))).await
}

/// Finishes a job that was asked to stop; a reservation that was not charged is handed back.
///
/// # Errors
/// [`StoreError::LeaseLost`].
pub async fn finish_cancelled(pool: &PgPool, lease: Lease) -> Result<(), StoreError> {
    end_early(pool, lease, ("cancelled", None)).await
}

async fn end_early(pool: &PgPool, lease: Lease, end: (&str, Option<&str>)) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    close(&mut tx, lease, end, true).await?;
    commit(tx, "end").await
}

/// Takes a job to a final state under its lease, or, for the rescuer, after it has run out; hands back what it
/// holds uncharged; returns what was charged.
pub(super) async fn close(
    tx: &mut PgConnection,
    lease: Lease,
    (status, error): (&str, Option<&str>),
    held: bool,
) -> Result<Charged, StoreError> {
    let population = sqlx::query_scalar!("select population_id from jobs where id = $1", lease.job_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::LeaseLost)?;
    lock(tx, population).await?;
    let row = sqlx::query!(
        r#"update jobs set status = $3, error = $4, lease_expires_at = null, finished_at = clock_timestamp(),
                checkpoint = null,
                -- what was last heard of a finished job depends on the pace of its last stages
                stage = case when $3 = 'succeeded' then 'report' else stage end,
                step = case when $3 = 'succeeded' then 1 else step end,
                steps = case when $3 = 'succeeded' then 1 else steps end,
                finished_by = case when $3 = 'succeeded' then $6 end
         where id = $1 and lease_epoch = $2 and status = 'running' and (lease_expires_at > clock_timestamp()) = $5
         returning price, blocks_claimed, charged_at is not null as "charged!""#,
        lease.job_id,
        lease.epoch,
        status,
        error,
        held,
        program(),
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    let charged = Charged { price: priced(row.price)?, claimed: row.blocks_claimed, any: row.charged };
    release(tx, population, lease.job_id, &charged).await?;
    Ok(charged)
}
