//! What a server does once an hour.

use std::time::Duration;

use dp2stage::store;
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);
/// A submission may be repeated under its Idempotency-Key for this long.
const KEYS: Duration = Duration::from_secs(30 * 24 * 3600);

/// Forgets what need not be kept, every hour until the token is cancelled.
pub async fn keep_house(pool: PgPool, stop: CancellationToken) {
    let mut clock = tokio::time::interval(HOUR);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = clock.tick() => {}
        }
        match store::forget_submissions(&pool, KEYS).await {
            Ok(0) => {}
            Ok(keys) => tracing::info!(keys, "idempotency keys were forgotten"),
            Err(error) => tracing::warn!(%error, "old idempotency keys are still there; they go an hour later"),
        }
    }
}
