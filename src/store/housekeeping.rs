//! What is not kept for ever.

use std::time::Duration;

use sqlx::PgPool;

use super::error::StoreError;
use super::leases::interval;

/// Lines that are removed by one statement.
const BATCH: i64 = 10_000;

/// Forgets idempotency keys that are older than `age`; the jobs stay. Gives how many there were.
///
/// # Errors
/// Database faults only.
pub async fn forget_submissions(pool: &PgPool, age: Duration) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    loop {
        let some = sqlx::query!(
            "delete from idempotency_keys where key in (
                 select key from idempotency_keys where created_at < clock_timestamp() - $1::interval limit $2)",
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
