//! Leases: one holder at a time, and a lost one changes nothing.

use std::collections::HashSet;
use std::time::Duration;

use dp2stage::privacy::EntryKind;
use dp2stage::store::{self, Artifact, ArtifactKind, Blob, Lease, Patience, Rescued, StoreError};

use super::budgets::{submit, table, whole};
use crate::support::fresh_database;

const LONG: Duration = Duration::from_secs(600);
const PATIENCE: Patience = Patience { max_attempts: 100, backoff: Duration::ZERO };

#[tokio::test]
async fn a_job_is_claimed_once() {
    let database = fresh_database().await;
    let dataset = table(&database.pool, 1.0).await;
    for _ in 0..200 {
        submit(&database.pool, &dataset, whole(1.0, 0.001)).await.unwrap();
    }
    let workers = (0..8).map(|i| {
        let pool = database.pool.clone();
        async move {
            let mut mine = Vec::new();
            while let Some(claimed) = store::claim(&pool, i.to_string().as_str(), LONG).await.unwrap() {
                mine.push(claimed.lease.job_id);
            }
            mine
        }
    });
    let all: Vec<_> = futures_util::future::join_all(workers).await.concat();
    assert_eq!(all.len(), 200);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 200);
}

/// Every effect of a holder whose lease ran out, or passed to another, is refused.
#[tokio::test]
async fn a_lost_lease_changes_nothing() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (dataset, work) = (table(pool, 1.0).await, whole(1.0, 0.5));
    submit(pool, &dataset, work.clone()).await.unwrap();
    let stale = store::claim(pool, "first", Duration::from_millis(1)).await.unwrap().unwrap().lease;
    tokio::time::sleep(Duration::from_millis(20)).await;
    refused(&database.pool, stale).await;
    assert!(store::claim(pool, "second", LONG).await.unwrap().is_none(), "before it is rescued");
    store::rescue(pool, PATIENCE).await.unwrap();
    refused(&database.pool, stale).await;
    let second = store::claim(pool, "second", LONG).await.unwrap().unwrap();
    assert_eq!((second.lease.job_id, second.lease.epoch, second.attempts), (stale.job_id, stale.epoch + 1, 2));
    refused(&database.pool, stale).await;
    let artifact = Artifact { kind: ArtifactKind::Report, blob: Blob::plain("b"), bytes: 1 };
    store::claim_block(pool, second.lease, 0).await.unwrap();
    store::finish(pool, second.lease, &[artifact]).await.unwrap();
    refused(&database.pool, stale).await;
    refused(&database.pool, second.lease).await;
    assert_eq!(store::artifact(pool, stale.job_id, ArtifactKind::Report).await.unwrap().blob.name, "b");
}

async fn refused(pool: &sqlx::PgPool, lease: Lease) {
    let lost = |result: Result<(), StoreError>| matches!(result, Err(StoreError::LeaseLost));
    let artifact = Artifact { kind: ArtifactKind::Report, blob: Blob::plain("stale"), bytes: 1 };
    assert!(lost(store::renew(pool, lease, LONG).await.map(drop)));
    assert!(lost(store::progress(pool, lease, "stage1", (1, 2)).await));
    assert!(lost(store::claim_block(pool, lease, 0).await));
    assert!(lost(store::set_checkpoint(pool, lease, &Blob::plain("stale")).await));
    assert!(lost(store::finish(pool, lease, &[artifact]).await));
    assert!(lost(store::fail(pool, lease, "worker_error").await));
    assert!(lost(store::finish_cancelled(pool, lease).await));
    assert!(lost(store::hand_back(pool, lease, None).await));
}

/// A plan has so many private blocks and no more, and is charged with the first.
#[tokio::test]
async fn blocks_are_counted_and_charged_once() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (dataset, work) = (table(pool, 1.0).await, whole(1.0, 0.5));
    submit(pool, &dataset, work.clone()).await.unwrap();
    let lease = store::claim(pool, "w", LONG).await.unwrap().unwrap().lease;
    // An answer that was lost is asked for again, and counts once.
    for block in [0, 0, 1, 1] {
        store::claim_block(pool, lease, block).await.unwrap();
    }
    // The next attempt repeats a block with fresh noise, and that counts.
    store::hand_back(pool, lease, None).await.unwrap();
    let lease = store::claim(pool, "w", LONG).await.unwrap().unwrap().lease;
    store::claim_block(pool, lease, 1).await.unwrap();
    let more = store::claim_block(pool, lease, 2).await;
    assert!(matches!(more, Err(StoreError::ReservationExhausted)));
    let budget = store::budget(pool, dataset.population_id).await.unwrap();
    let charges: Vec<_> = budget.book.entries.iter().filter(|e| e.kind == EntryKind::Charge).collect();
    assert_eq!(charges.len(), 1);
    assert_eq!(budget.verify(true).unwrap().events, [work.event()]);
}

/// A dead worker's job can be claimed at once, and nobody else's.
#[tokio::test]
async fn the_lease_of_a_dead_worker_can_be_ended() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (dataset, work) = (table(pool, 1.0).await, whole(1.0, 0.1));
    for _ in 0..2 {
        submit(pool, &dataset, work.clone()).await.unwrap();
    }
    let dead = store::claim(pool, "dead", LONG).await.unwrap().unwrap().lease;
    store::claim(pool, "alive", LONG).await.unwrap().unwrap();
    assert!(store::claim(pool, "heir", LONG).await.unwrap().is_none());
    store::expire(pool, "dead", "worker_lost").await.unwrap();
    let rescued = store::rescue(pool, PATIENCE).await.unwrap();
    assert_eq!(rescued, [Rescued { job_id: dead.job_id, ended: false, checkpoint: None }]);
    assert_eq!(store::claim(pool, "heir", LONG).await.unwrap().unwrap().lease.job_id, dead.job_id);
    assert!(store::claim(pool, "heir", LONG).await.unwrap().is_none());
}

/// A job that was asked to stop before it was charged is never charged.
#[tokio::test]
async fn a_cancelled_job_is_not_charged() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (dataset, work) = (table(pool, 1.0).await, whole(1.0, 0.5));
    let id = submit(pool, &dataset, work.clone()).await.unwrap().job_id;
    let lease = store::claim(pool, "w", LONG).await.unwrap().unwrap().lease;
    store::cancel(pool, id).await.unwrap();
    let charge = store::claim_block(pool, lease, 0).await;
    assert!(matches!(charge, Err(StoreError::Cancelled)));
    store::finish_cancelled(pool, lease).await.unwrap();
    let account = store::budget(pool, dataset.population_id).await.unwrap().population.account;
    assert!(account.is_untouched());
}
