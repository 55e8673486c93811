//! What is measured before any block: charged once, whatever happens; and jobs that cost nothing.

use std::time::Duration;

use dp2stage::privacy::EntryKind::{self, Charge, Grant, Release, Reservation};
use dp2stage::privacy::Work;
use dp2stage::store::{self, Dataset, JobStatus, Lease, StoreError};
use sqlx::PgPool;

use super::budgets::{account, blocks, measured, submit, table, whole};
use super::public::{declare, upload};
use crate::support::fresh_database;

const LONG: Duration = Duration::from_secs(600);

pub async fn claim(pool: &PgPool) -> Lease {
    store::claim(pool, "w", LONG).await.unwrap().unwrap().lease
}

/// The lines of a ledger that adds up and whose prices are right.
async fn lines(pool: &PgPool, dataset: &Dataset) -> Vec<EntryKind> {
    let budget = store::budget(pool, dataset.population_id).await.unwrap();
    assert_eq!(budget.verify(true).unwrap().account, budget.population.account);
    budget.book.entries.iter().map(|entry| entry.kind).collect()
}

/// Asked three times, under two leases, after a crash in between: one charge, no block, and the plan's own
/// blocks follow without another one.
#[tokio::test]
async fn an_opening_is_charged_once() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    let id = submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap().job_id;
    let lease = store::claim(pool, "dies", LONG).await.unwrap().unwrap().lease;
    store::claim_opening(pool, lease).await.unwrap();
    store::claim_opening(pool, lease).await.unwrap();
    let shares = account(pool, &dataset).await.shares();
    assert!((shares.spent - 0.5).abs() < 1e-6 && shares.reserved == 0.0, "{shares:?}");
    assert!(store::find_job(pool, id).await.unwrap().charged_at.is_some());

    store::expire(pool, "dies", "worker_lost").await.unwrap();
    let lost = store::claim_opening(pool, lease).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost)));
    store::rescue(pool, store::Patience { max_attempts: 9, backoff: Duration::ZERO }).await.unwrap();
    let next = claim(pool).await;
    assert!(matches!(store::claim_opening(pool, lease).await, Err(StoreError::LeaseLost)));
    store::claim_opening(pool, next).await.unwrap();
    for block in 0..2 {
        store::claim_block(pool, next, block).await.unwrap();
    }
    let claimed: i32 = sqlx::query_scalar("select blocks_claimed from jobs").fetch_one(pool).await.unwrap();
    assert_eq!(claimed, 2, "the opening counts as no block");
    store::finish(pool, next, &[]).await.unwrap();
    assert_eq!(lines(pool, &dataset).await, [Grant, Reservation, Charge]);
}

/// A job of a measurement alone has no blocks, and results once it was charged.
#[tokio::test]
async fn a_job_may_be_a_measurement_alone() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    let id = submit(pool, &dataset, measured(1.0, 0.25)).await.unwrap().job_id;
    let lease = claim(pool).await;
    assert!(matches!(store::claim_block(pool, lease, 0).await, Err(StoreError::ReservationExhausted)));
    assert!(matches!(store::finish(pool, lease, &[]).await, Err(StoreError::Unreadable(_))), "not charged yet");
    store::claim_opening(pool, lease).await.unwrap();
    store::finish(pool, lease, &[]).await.unwrap();
    assert_eq!(store::find_job(pool, id).await.unwrap().status, JobStatus::Succeeded);
    let budget = store::budget(pool, dataset.population_id).await.unwrap();
    assert_eq!(budget.verify(true).unwrap().events, [measured(1.0, 0.25).event()]);
    assert_eq!(lines(pool, &dataset).await, [Grant, Reservation, Charge]);
}

/// Before the charge a cancelled job is not charged and gets everything back; after it, it goes on being
/// charged, queued or running.
#[tokio::test]
async fn cancelling_before_an_opening_gives_all_back_and_after_it_nothing() {
    let database = fresh_database().await;
    let pool = &database.pool;
    for (charged, queued) in [(false, false), (true, false), (true, true)] {
        let dataset = table(pool, 1.0).await;
        let id = submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap().job_id;
        let lease = claim(pool).await;
        if charged {
            store::claim_opening(pool, lease).await.unwrap();
        }
        if queued {
            store::hand_back(pool, lease, None).await.unwrap();
        }
        store::cancel(pool, id).await.unwrap();
        if !queued {
            let again = store::claim_opening(pool, lease).await;
            assert!(matches!((charged, again), (true, Ok(())) | (false, Err(StoreError::Cancelled))));
            store::finish_cancelled(pool, lease).await.unwrap();
        }
        let shares = account(pool, &dataset).await.shares();
        assert_eq!((shares.spent > 0.0, shares.reserved), (charged, 0.0));
        let last = if charged { Charge } else { Release };
        assert_eq!(lines(pool, &dataset).await, [Grant, Reservation, last]);
    }
}

/// A failure after the opening hands nothing back, though no block was claimed.
#[tokio::test]
async fn a_failure_after_an_opening_keeps_the_charge() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap();
    let lease = claim(pool).await;
    store::claim_opening(pool, lease).await.unwrap();
    store::fail(pool, lease, "worker_error").await.unwrap();
    assert_eq!(lines(pool, &dataset).await, [Grant, Reservation, Charge]);
}

/// Work without an opening that is priced block by block has nothing that could be charged before a block.
#[tokio::test]
async fn blocks_that_are_charged_one_by_one_have_no_opening() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, blocks(1.0, 0.5)).await.unwrap();
    let lease = claim(pool).await;
    assert!(matches!(store::claim_opening(pool, lease).await, Err(StoreError::Unreadable(_))));
    store::finish_cancelled(pool, lease).await.unwrap();
    assert_eq!(lines(pool, &dataset).await, [Grant, Reservation, Release]);
}

/// Work that touches nothing private, on a public table, reserves nothing, is charged nothing, and has results; also where the
/// budget is used up to the last bit, and without changing what the next job pays.
#[tokio::test]
async fn nothing_private_costs_nothing() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = declare(pool, "open", true).await.unwrap();
    upload(pool, &dataset, 1).await;
    let run = async || {
        let id = submit(pool, &dataset, Work::nothing()).await.unwrap().job_id;
        let lease = claim(pool).await;
        assert!(store::claim_opening(pool, lease).await.is_err());
        assert!(matches!(store::claim_block(pool, lease, 0).await, Err(StoreError::ReservationExhausted)));
        store::finish(pool, lease, &[]).await.unwrap();
        assert!(store::find_job(pool, id).await.unwrap().charged_at.is_none());
    };
    run().await;
    assert!(account(pool, &dataset).await.is_untouched());
    assert_eq!(lines(pool, &dataset).await, [Grant, Reservation]);
    submit(pool, &dataset, whole(1.0, 0.999_999)).await.unwrap();
    let lease = claim(pool).await;
    store::claim_opening(pool, lease).await.unwrap();
    store::finish(pool, lease, &[]).await.unwrap();
    assert!(submit(pool, &dataset, whole(1.0, 0.01)).await.is_err());
    let before = account(pool, &dataset).await;
    run().await;
    assert_eq!(account(pool, &dataset).await, before);
    assert_eq!(lines(pool, &dataset).await, [Grant, Reservation, Reservation, Charge, Reservation]);
    let cancelled = submit(pool, &dataset, Work::nothing()).await.unwrap().job_id;
    store::cancel(pool, cancelled).await.unwrap();
    assert_eq!(account(pool, &dataset).await, before);
    lines(pool, &dataset).await;
}
