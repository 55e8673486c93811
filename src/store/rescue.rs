//! The rescuer: puts back, or ends, the jobs whose worker fell silent.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::error::StoreError;
use super::leases::{Lease, close, interval};

/// How often a job is tried, and how long it waits between.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A job that was claimed so often without reaching its end has failed.
    pub max_attempts: i32,
    /// The wait before the third attempt; times 4 for each after it. The second comes at once: most workers
    /// that fall silent do so for reasons of their own.
    pub backoff: Duration,
}

/// A job that was found without a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescued {
    /// Which.
    pub job_id: Uuid,
    /// Whether it ended with that, instead of waiting for another worker.
    pub ended: bool,
    /// What it could have been resumed from, when it ended: the caller removes the blob.
    pub checkpoint: Option<String>,
}

/// Jobs that are looked at in one turn.
const MOST: i64 = 100;

/// Puts jobs whose lease ran out back into the queue; ends those that were to be cancelled, and those that have
/// been tried too often, as failed. Any number of rescuers may be at it: each job is rescued once.
///
/// # Errors
/// Database faults only.
pub async fn rescue(pool: &PgPool, patience: Patience) -> Result<Vec<Rescued>, StoreError> {
    let lost = sqlx::query!(
        "select id, lease_epoch, attempts, cancel_requested, fault, checkpoint from jobs
         where status = 'running' and lease_expires_at < clock_timestamp() order by lease_expires_at limit $1",
        MOST,
    )
    .fetch_all(pool)
    .await?;
    let mut rescued = Vec::new();
    for job in lost {
        let lease = Lease { job_id: job.id, epoch: job.lease_epoch };
        let fault = job.fault.as_deref().unwrap_or("worker_lost");
        let result = match (job.cancel_requested, job.attempts < patience.max_attempts) {
            (true, _) => end(pool, lease, ("cancelled", None)).await,
            (false, false) => end(pool, lease, ("failed", Some(fault))).await,
            (false, true) => put_back(pool, lease, fault, wait_before(job.attempts + 1, patience.backoff)).await,
        };
        let ended = job.cancel_requested || job.attempts >= patience.max_attempts;
        match result {
            Ok(()) => {
                let checkpoint = job.checkpoint.filter(|_| ended);
                rescued.push(Rescued { job_id: job.id, ended, checkpoint });
            }
            // Another rescuer was there first.
            Err(StoreError::LeaseLost) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rescued)
}

/// The wait before the attempt of this number.
fn wait_before(attempt: i32, backoff: Duration) -> Duration {
    match attempt {
        ..=2 => Duration::ZERO,
        _ => backoff * 4u32.saturating_pow((attempt - 3).clamp(0, 8).unsigned_abs()),
    }
}

async fn put_back(pool: &PgPool, lease: Lease, fault: &str, wait: Duration) -> Result<(), StoreError> {
    sqlx::query!(
        "update jobs set status = 'queued', lease_expires_at = null, fault = $3,
                run_after = clock_timestamp() + $4::interval
         where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at < clock_timestamp()
         returning id",
        lease.job_id,
        lease.epoch,
        fault,
        interval(wait) as _,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    Ok(())
}

async fn end(pool: &PgPool, lease: Lease, end: (&str, Option<&str>)) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    close(&mut tx, lease, end, false).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends the lease of a worker that is known to be dead, so that its job can be rescued at once.
///
/// # Errors
/// Database faults only.
pub async fn expire(pool: &PgPool, worker: &str, fault: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update jobs set lease_expires_at = clock_timestamp() - interval '1 ms', fault = $2
         where worker = $1 and status = 'running'",
        worker,
        fault,
    )
    .execute(pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_the_third_attempt_on() {
        let waits = [2, 3, 4, 5].map(|attempt| wait_before(attempt, Duration::from_secs(30)).as_secs());
        assert_eq!(waits, [0, 30, 120, 480]);
        assert!(wait_before(i32::MAX, Duration::from_secs(86_400)).as_secs() > 0);
    }
}
