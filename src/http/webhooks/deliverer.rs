//! Sends what is due, again and again.

use std::time::Duration;

use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::courier::{Courier, Fault, LONGEST};
use crate::store::{self, Delivery, Sent};

/// Messages that are on their way at a time.
const PARALLEL: usize = 16;
/// How often it is asked what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Whoever takes a message has this long to say what became of it; then it is due again.
const LEASE: Duration = Duration::from_secs(30);
/// Waits after failed attempts, each a little more or less; after the attempt that follows the last wait, a message
/// is dead.
const WAITS: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(6 * 60 * 60),
];
/// A receiver that answers with this status wants to hear nothing more.
const GONE: u16 = 410;

/// Sends messages until the token is cancelled; those on their way are then waited for.
pub async fn deliver(pool: PgPool, courier: Courier, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    while !stop.is_cancelled() {
        let room = PARALLEL - under_way.len();
        match store::take_deliveries(&pool, room as i64, LEASE).await {
            Ok(taken) => {
                for delivery in taken {
                    under_way.spawn(attempt(pool.clone(), courier.clone(), delivery));
                }
            }
            Err(error) => tracing::warn!(%error, "messages that are due cannot be read right now"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
            // A place is free: only a full house need not wait for the clock.
            Some(_) = under_way.join_next(), if under_way.len() == PARALLEL => {}
        }
        while under_way.try_join_next().is_some() {}
    }
    // What is cut off here is sent again by the next server.
    let _ = tokio::time::timeout(LONGEST, async { while under_way.join_next().await.is_some() {} }).await;
}

async fn attempt(pool: PgPool, courier: Courier, delivery: Delivery) {
    let sent = courier.send(&delivery).await;
    let (answer, fault) = match sent {
        Ok(status) => (Some(status), None),
        Err(Fault::Status(status)) => (Some(status), Some(Fault::Status(status))),
        Err(fault) => (None, Some(fault)),
    };
    let became = after(fault, delivery.attempts);
    tracing::info!(job = %delivery.job_id, attempt = delivery.attempts, answer, fault = fault.map(Fault::word), ?became, "a webhook");
    let key = (delivery.id, delivery.attempts);
    if let Err(error) = store::settle_delivery(&pool, key, became, answer, fault.map(Fault::word)).await {
        // It stays due and is sent again: at least once.
        tracing::warn!(%error, "what became of a webhook could not be written down");
    }
}

/// What follows from an attempt.
fn after(fault: Option<Fault>, attempts: i32) -> Sent {
    let wait = usize::try_from(attempts - 1).ok().and_then(|tried| WAITS.get(tried));
    match (fault, wait) {
        (None, _) => Sent::Delivered,
        (Some(Fault::Receiver | Fault::Status(GONE)), _) | (_, None) => Sent::Dead,
        (Some(_), Some(wait)) => Sent::Later(*wait),
    }
}
