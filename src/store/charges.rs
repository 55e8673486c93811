//! Charging: each private block is counted, and what it costs is charged, before its key exists. What is
//! measured before any block is charged together with the whole plan, and counts as no block.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::edges::commit;
use super::error::StoreError;
use super::leases::Lease;
use super::populations::{Line, lock, post};
use crate::privacy::{Amount, EntryKind, Price};

/// Counts one private block of a job. Where the plan is charged as a whole, that is done with the
/// first block; where it is charged block by block, with every one.
///
/// When this returns, the count and the charge are on disk. A block that comes again after a crash
/// is counted again: repetitions use up the spare blocks that the reservation covers.
///
/// Asked again for the same block under the same lease, as after an answer that was lost on the
/// way, it counts nothing: a block begins once in an attempt.
///
/// # Errors
/// [`StoreError::LeaseLost`]; [`StoreError::ReservationExhausted`] when no spare is left;
/// [`StoreError::Cancelled`] when the job was asked to stop before it was charged.
pub async fn claim_block(pool: &PgPool, lease: Lease, block: i32) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let job = sqlx::query!("select population_id, price, charged_at from jobs where id = $1", lease.job_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::LeaseLost)?;
    let price = priced(job.price)?;
    // The population before the job, as everywhere.
    let mut population = match price.block.is_some() || job.charged_at.is_none() {
        true => Some(lock(&mut tx, job.population_id).await?),
        false => None,
    };
    let held = held(&mut tx, lease).await?;
    if counted(&mut tx, lease, block).await? {
        return Ok(());
    }
    if held.claimed >= held.allowed {
        return Err(StoreError::ReservationExhausted);
    }
    if held.cancel_requested && !held.charged {
        return Err(StoreError::Cancelled);
    }
    let ordinal = held.claimed + 1;
    if let Some(population) = &mut population
        && let Some((block, amount)) = due(&price, held.charged, ordinal)
    {
        let line = Line { block, ..Line::of_job(EntryKind::Charge, lease.job_id, amount) };
        post(&mut tx, population, line).await?;
    }
    count(&mut tx, lease, block, ordinal).await?;
    commit(tx, "block").await
}

/// Charges a job for what it measures before any block: the whole price, once, unless it is charged already.
/// No block is counted.
///
/// When this returns, the charge is on disk. Asked again, under this lease or a later one, it changes nothing,
/// for what is measured comes from one key: the job's checkpoint keeps it until the measurement is done, so
/// that a repetition after a crash gives the same noise to the same sums, and tells nothing that was not paid.
///
/// # Errors
/// [`StoreError::LeaseLost`]; [`StoreError::Cancelled`] when the job was asked to stop before it was charged;
/// [`StoreError::Unreadable`] for a price that has no room for a measurement.
pub async fn claim_opening(pool: &PgPool, lease: Lease) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let job = sqlx::query!("select population_id, price from jobs where id = $1", lease.job_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::LeaseLost)?;
    let price = priced(job.price)?;
    let mut population = lock(&mut tx, job.population_id).await?;
    let held = held(&mut tx, lease).await?;
    if held.charged {
        return Ok(());
    }
    if held.cancel_requested {
        return Err(StoreError::Cancelled);
    }
    // Work that opens with a measurement is never priced block by block, and never costs nothing.
    if price.block.is_some() || price.is_nothing() {
        return Err(StoreError::Unreadable("a price"));
    }
    post(&mut tx, &mut population, Line::of_job(EntryKind::Charge, lease.job_id, price.whole)).await?;
    sqlx::query!("update jobs set charged_at = clock_timestamp() where id = $1", lease.job_id)
        .execute(&mut *tx)
        .await?;
    commit(tx, "opening").await
}

/// The number and the amount of the charge that goes with the block of this ordinal, if one does.
fn due(price: &Price, charged: bool, ordinal: i32) -> Option<(i32, Amount)> {
    match price.block {
        Some(each) => Some((ordinal, each)),
        None if charged => None,
        None => Some((0, price.whole)),
    }
}

/// A price as it is stored with a job.
pub(super) fn priced(stored: Value) -> Result<Price, StoreError> {
    serde_json::from_value(stored).map_err(|_| StoreError::Unreadable("a price"))
}

/// What an ending job was charged of its price.
pub(super) struct Charged {
    /// The price.
    pub price: Price,
    /// Blocks that it claimed.
    pub claimed: i32,
    /// Whether anything was charged: blocks, or what comes before them.
    pub any: bool,
}

impl Charged {
    /// Whether the job may have results: it was charged, or there is nothing to be charged for.
    pub fn is_paid(&self) -> bool {
        self.any || self.price.is_nothing()
    }

    /// What is left of the reservation.
    fn rest(&self) -> Result<Amount, StoreError> {
        match self.price.block {
            None if self.any => Ok(Amount::default()),
            None => Ok(self.price.whole),
            Some(each) => {
                let charged = each.times(self.claimed.unsigned_abs());
                self.price.whole.minus(charged).ok_or(StoreError::Unreadable("a price"))
            }
        }
    }
}

/// Hands back what an ending job holds uncharged, if it holds anything. The population must be
/// locked before the job.
pub(super) async fn release(
    tx: &mut PgConnection,
    population: Uuid,
    job: Uuid,
    charged: &Charged,
) -> Result<(), StoreError> {
    let rest = charged.rest()?;
    if rest == Amount::default() {
        return Ok(());
    }
    let mut population = lock(tx, population).await?;
    post(tx, &mut population, Line::of_job(EntryKind::Release, job, rest)).await
}

struct Held {
    claimed: i32,
    allowed: i32,
    charged: bool,
    cancel_requested: bool,
}

async fn held(tx: &mut PgConnection, lease: Lease) -> Result<Held, StoreError> {
    sqlx::query_as!(
        Held,
        r#"select blocks_claimed as claimed, blocks_allowed as allowed, charged_at is not null as "charged!",
                  cancel_requested from jobs
           where id = $1 and lease_epoch = $2 and status = 'running' and lease_expires_at > clock_timestamp()
           for update"#,
        lease.job_id,
        lease.epoch,
    )
    .fetch_optional(tx)
    .await?
    .ok_or(StoreError::LeaseLost)
}

async fn counted(tx: &mut PgConnection, lease: Lease, block: i32) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from private_blocks where job_id = $1 and lease_epoch = $2 and block = $3) as "any!""#,
        lease.job_id,
        lease.epoch,
        block,
    )
    .fetch_one(tx)
    .await?)
}

async fn count(tx: &mut PgConnection, lease: Lease, block: i32, ordinal: i32) -> Result<(), StoreError> {
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
    .execute(tx)
    .await?;
    Ok(())
}
