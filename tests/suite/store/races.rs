//! The queue under races: many pollers, workers whose leases ran out, cancellations. The long form is `make chaos`.

use std::collections::HashSet;
use std::time::Duration;

use dp2stage::store::{self, Blob, JobStatus, Lease, StoreError};
use rand::Rng;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use super::budgets::{account, submit, table, whole};
use crate::support::queue::{claim, fill, finish, hand_back, run_out};
use crate::support::{dice, figure, fresh_database, repeats};

/// A job that was cancelled, for others to be copied from.
async fn pattern(pool: &PgPool) -> Uuid {
    let dataset = table(pool, 1.0).await;
    let id = submit(pool, &dataset, whole(1.0, 0.01)).await.unwrap().job_id;
    store::cancel(pool, id).await.unwrap();
    id
}

/// R5: however many ask at the same moment, each job is claimed once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_jobs_are_claimed_once_each_by_32_pollers() {
    let database = fresh_database().await;
    let jobs = repeats(1_000, 10_000);
    let pattern = pattern(&database.pool).await;
    let ids: HashSet<Uuid> = fill(&database.pool, pattern, jobs).await.into_iter().collect();
    let pool = PgPoolOptions::new().max_connections(32).connect_with(database.options.clone()).await.unwrap();
    let poll = |i: usize| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(claimed) = claim(&pool, &format!("poller {i}")).await.unwrap() {
                mine.push(claimed.lease.job_id);
            }
            mine
        })
    };
    let all = futures_util::future::join_all((0..32).map(poll)).await;
    let all: Vec<Uuid> = all.into_iter().flat_map(Result::unwrap).collect();
    let once: HashSet<Uuid> = all.iter().copied().collect();
    let left = ids.difference(&once).count();
    figure("R5", (jobs, "jobs x 32 pollers"), &[(all.len() - once.len(), "claimed twice"), (left, "never claimed")]);
}

/// What a worker may try that lost its lease, besides finishing.
async fn tries(pool: &PgPool, lease: Lease, what: u32) -> Result<(), StoreError> {
    match what {
        0 => store::fail(pool, lease, "worker_error").await,
        1 => store::finish_cancelled(pool, lease).await,
        2 => hand_back(pool, lease, false).await,
        3 => store::set_checkpoint(pool, lease, &Blob::plain("stale")).await,
        4 => store::claim_block(pool, lease, 0).await,
        5 => store::claim_opening(pool, lease).await,
        6 => store::progress(pool, lease, "stage1", (1, 2)).await,
        _ => store::renew(pool, lease, Duration::from_secs(60)).await.map(drop),
    }
}

/// Claims a job whose lease is about to run out, or says that it is finished.
async fn heir(pool: &PgPool, id: Uuid) -> Option<Lease> {
    loop {
        if let Some(claimed) = claim(pool, "heir").await.unwrap() {
            assert_eq!(claimed.lease.job_id, id, "there is no other job");
            return Some(claimed.lease);
        }
        if store::find_job(pool, id).await.unwrap().status.is_final() {
            return None;
        }
    }
}

/// R4: a worker whose lease ran out publishes and changes nothing, claimed again or not; at the very moment of expiry one
/// of two wins, never both.
#[tokio::test]
async fn stale_completions_publish_nothing() {
    let database = fresh_database().await;
    let (pool, mut dice) = (&database.pool, dice("R4"));
    let (pattern, count) = (pattern(pool).await, repeats(1_000, 10_000));
    let (mut published, mut changed, mut won) = (0, 0, 0);
    for round in 0..count {
        let id = fill(pool, pattern, 1).await[0];
        let stale = claim(pool, "stale").await.unwrap().unwrap().lease;
        let racing = round % 4 == 3;
        let holder = if racing {
            let soon = "update jobs set lease_expires_at = clock_timestamp() + $2 * interval '1 us' where id = $1";
            sqlx::query(soon).bind(id).bind(dice.random_range(0..3_000)).execute(pool).await.unwrap();
            let (completed, next) = tokio::join!(finish(pool, stale, "stale"), heir(pool, id));
            // A completion in time is none that is stale.
            published += usize::from(completed.is_ok() == next.is_some());
            won += usize::from(completed.is_ok());
            next
        } else {
            run_out(pool, id).await;
            let mut lease = None;
            if round % 4 > 0 {
                lease = heir(pool, id).await;
            }
            published += usize::from(!matches!(finish(pool, stale, "stale").await, Err(StoreError::LeaseLost)));
            lease
        };
        changed +=
            usize::from(!matches!(tries(pool, stale, dice.random_range(0..8)).await, Err(StoreError::LeaseLost)));
        let holder = match holder {
            None if !racing => heir(pool, id).await,
            holder => holder,
        };
        if let Some(lease) = holder {
            finish(pool, lease, "fresh").await.unwrap();
        }
        let blobs: Vec<String> =
            sqlx::query_scalar("select blob from artifacts where job_id = $1").bind(id).fetch_all(pool).await.unwrap();
        let right = if holder.is_some() { "fresh" } else { "stale" };
        published += usize::from(blobs != [right]);
        changed += usize::from(store::find_job(pool, id).await.unwrap().status != JobStatus::Succeeded);
    }
    figure(
        "R4",
        (count, &format!("stale completions ({won} of {} races with expiry were in time)", count / 4)),
        &[(published, "published"), (changed, "other effects")],
    );
}

/// R6: a cancellation at the moment of the claim, or of what follows it, ends in `cancelled` or comes too late, and a job
/// that was never charged gives everything back.
#[tokio::test]
async fn cancellations_race_claims_without_illegal_states() {
    let database = fresh_database().await;
    let (pool, mut dice) = (&database.pool, dice("R6"));
    let (count, mut illegal, mut unpaid, mut in_time) = (repeats(200, 1_000), 0, 0, 0);
    for _ in 0..count {
        let dataset = table(pool, 1.0).await;
        let id = submit(pool, &dataset, whole(1.0, 0.5)).await.unwrap().job_id;
        let pause = Duration::from_micros(dice.random_range(0..4_000));
        let canceller = async {
            tokio::time::sleep(pause).await;
            store::cancel(pool, id).await
        };
        let worker = async {
            let Some(claimed) = claim(pool, "w").await.unwrap() else { return };
            let lease = claimed.lease;
            let worked = match claimed.cancel_requested {
                true => Err(StoreError::Cancelled),
                false => store::claim_block(pool, lease, 0).await,
            };
            match worked {
                Err(StoreError::Cancelled) => store::finish_cancelled(pool, lease).await.unwrap(),
                Ok(()) if store::renew(pool, lease, Duration::from_secs(60)).await.unwrap() => {
                    store::finish_cancelled(pool, lease).await.unwrap();
                }
                Ok(()) => finish(pool, lease, "results").await.unwrap(),
                Err(other) => panic!("{other}"),
            }
        };
        let (cancelled, ()) = tokio::join!(canceller, worker);
        let job = store::find_job(pool, id).await.unwrap();
        let legal = match (job.status, cancelled) {
            (JobStatus::Cancelled, Ok(())) => true,
            (JobStatus::Succeeded, Ok(()) | Err(StoreError::StateConflict(_))) => job.charged_at.is_some(),
            _ => false,
        };
        illegal += usize::from(!legal);
        in_time += usize::from(job.status == JobStatus::Cancelled);
        let shares = account(pool, &dataset).await.shares();
        let charged = if job.charged_at.is_some() { 0.5 } else { 0.0 };
        unpaid += usize::from((shares.spent - charged).abs() > 1e-6 || shares.reserved != 0.0);
        store::budget(pool, dataset.population_id).await.unwrap().verify(false).unwrap();
    }
    figure(
        "R6",
        (count, &format!("cancels racing claims ({in_time} in time)")),
        &[(illegal, "illegal states"), (unpaid, "wrong charges")],
    );
}
