//! What is not kept for ever.

use std::time::Duration;

use sqlx::PgPool;

use super::error::StoreError;
use super::leases::interval;

/// Lines that are removed by one statement.
const BATCH: i64 = 10_000;

/// Takes workers that were silent for `age` off the list.
///
/// # Errors
/// Database faults only.
pub async fn forget_workers(pool: &PgPool, age: Duration) -> Result<(), StoreError> {
    sqlx::query!("delete from workers where heartbeat_at < clock_timestamp() - $1::interval", interval(age) as _)
        .execute(pool)
        .await?;
    Ok(())
}

/// Forgets idempotency keys that are older than `age`; the jobs stay. Gives how many there were.
///
/// # Errors
/// Database faults only.
pub async fn forget_submissions(pool: &PgPool, age: Duration) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    loop {
        let some = sqlx::query!(
            "delete from idempotency_keys where (tenant, key) in (
                 select tenant, key from idempotency_keys where created_at < clock_timestamp() - $1::interval limit $2)",
            interval(age) as _,
            BATCH,
        );
        let some = some.execute(pool).await?.rows_affected();
        forgotten += some;
        if some < BATCH as u64 {
            return Ok(forgotten);
        }
    }
}
