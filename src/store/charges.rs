//! Charging: the whole plan before the first noise, each private block before its key exists.

use serde_json::Value;
use sqlx::PgPool;

use super::budgets::{Move, lock, post};
use super::error::StoreError;
use super::leases::Lease;
use crate::privacy::Amount;

/// Counts one private block of a job, charging the whole plan when it is the first.
///
/// When this returns, the count and the charge are on disk. A block that comes again after a crash
/// is counted again: repetitions use up the spare blocks that the charge covers.
///
/// Asked again for the same block under the same lease, as after an answer that was lost on the
/// way, it counts nothing: a block begins once in an attempt.
///
/// # Errors
/// [`StoreError::LeaseLost`]; [`StoreError::ReservationExhausted`] when no spare is left;
/// [`StoreError::Cancelled`] when the job was asked to stop before it was charged.
pub async fn claim_block(pool: &PgPool, lease: Lease, block: i32, event: &Value) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let job = sqlx::query!(
        "select population_id, epsilon_pico, delta_atto, charged_at from jobs where id = $1",
        lease.job_id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    if job.charged_at.is_none() {
        // The population before the job, as everywhere.
        lock(&mut tx, job.population_id).await?;
    }
    let held = sqlx::query!(
        "select blocks_claimed, blocks_allowed, charged_at, cancel_requested from jobs
         where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
         for update",
        lease.job_id,
        lease.epoch,
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(StoreError::LeaseLost)?;
    let counted = sqlx::query_scalar!(
        r#"select exists (select from private_blocks where job_id = $1 and lease_epoch = $2 and block = $3) as "any!""#,
        lease.job_id,
        lease.epoch,
        block,
    )
    .fetch_one(&mut *tx)
    .await?;
    if counted {
        return Ok(());
    }
    if held.blocks_claimed >= held.blocks_allowed {
        return Err(StoreError::ReservationExhausted);
    }
    if held.charged_at.is_none() {
        if held.cancel_requested {
            return Err(StoreError::Cancelled);
        }
        let amount = Amount { epsilon_pico: job.epsilon_pico, delta_atto: job.delta_atto };
        post(&mut tx, job.population_id, lease.job_id, amount, (Move::Charge, Some(event))).await?;
    }
    let ordinal = held.blocks_claimed + 1;
    sqlx::query!(
        "update jobs set blocks_claimed = $2, charged_at = coalesce(charged_at, clock_timestamp()) where id = $1",
        lease.job_id,
        ordinal,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into private_blocks (job_id, ordinal, block, lease_epoch) values ($1, $2, $3, $4)",
        lease.job_id,
        ordinal,
        block,
        lease.epoch,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
