//! Which job goes to whom: turns, priorities, limits; and what becomes of lost ones.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use dp2stage::store::{self, Claimant, JobStatus, NewJob, Patience, QueueRoom, StoreError, Tenant};
use sqlx::PgPool;
use uuid::Uuid;

use super::budgets::{job_on, table, whole};
use crate::support::fresh_database;

const LONG: Duration = Duration::from_secs(600);
const PATIENCE: Patience = Patience { max_attempts: 3, backoff: Duration::ZERO };

/// A job with a priority, on a dataset.
async fn submit(pool: &PgPool, dataset: &store::Dataset, priority: i16) -> Uuid {
    let job = NewJob { priority, ..job_on(pool, dataset, whole(1.0, 0.001)).await };
    store::submit(pool, &job, None).await.unwrap().job_id
}

async fn claim(pool: &PgPool, claimant: Claimant<'_>) -> Option<store::Lease> {
    store::claim(pool, claimant, LONG).await.unwrap().map(|claimed| claimed.lease)
}

fn worker(name: &str) -> Claimant<'_> {
    Claimant::from(name)
}

/// Within a tenant: priority, then age. Across tenants: whoever has fewer running, so that a thousand jobs of
/// one do not keep the single job of another waiting.
#[tokio::test]
async fn tenants_take_turns_and_priorities_count_within_them() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (crowded, alone) = (Tenant::new(pool, "crowd"), Tenant::new(pool, "lone"));
    let (one, other) = (table(&crowded, 1.0).await, table(&crowded, 1.0).await);
    let mut crowd = Vec::new();
    for i in 0..24 {
        let dataset = if i % 2 == 0 { &one } else { &other };
        crowd.push(submit(pool, dataset, if i == 20 { 7 } else { 0 }).await);
    }
    let lone = submit(pool, &table(&alone, 1.0).await, -100).await;
    let mut order = Vec::new();
    while let Some(lease) = claim(pool, worker("w")).await {
        order.push(lease.job_id);
    }
    let urgent = crowd.remove(20);
    // Whose turn it is first, when nobody has a running job, is chance.
    let first = if order[0] == lone { [lone, urgent] } else { [urgent, lone] };
    let expected: Vec<_> = first.into_iter().chain(crowd).collect();
    assert_eq!(order, expected);
}

/// However many reach for them at once, a dataset never has more running jobs than it may, all of its slots are
/// used, and jobs of other datasets do not wait behind it.
#[tokio::test]
async fn a_dataset_runs_as_many_jobs_as_it_may_and_no_more() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let (full, free) = (table(pool, 1.0).await, table(pool, 1.0).await);
    for _ in 0..24 {
        submit(pool, &full, 5).await;
    }
    let behind = submit(pool, &free, 0).await;
    let limited = |name| Claimant { worker: name, place: None, per_dataset: 3 };
    let race = (0..16).map(|_| claim(pool, limited("w")));
    let leases: Vec<_> = futures_util::future::join_all(race).await.into_iter().flatten().collect();
    assert_eq!(running(pool).await, BTreeMap::from([(full.id, 3), (free.id, 1)]));
    assert!(leases.iter().any(|lease| lease.job_id == behind));
    assert!(claim(pool, limited("w")).await.is_none());
    // A slot that is left is taken again.
    let one = leases.iter().find(|lease| lease.job_id != behind).unwrap();
    store::hand_back(pool, *one, Some(("worker_error", LONG))).await.unwrap();
    let race = (0..8).map(|_| claim(pool, limited("w")));
    assert_eq!(futures_util::future::join_all(race).await.into_iter().flatten().count(), 1);
    assert_eq!(running(pool).await[&full.id], 3);
}

async fn running(pool: &PgPool) -> BTreeMap<Uuid, i64> {
    sqlx::query_as("select dataset_id, count(*) from jobs where status = 'running' group by 1")
        .fetch_all(pool)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

/// Two processes that were started on one card do not both work.
#[tokio::test]
async fn a_card_has_one_job() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    for _ in 0..4 {
        submit(pool, &dataset, 0).await;
    }
    let card = |name, place| Claimant { worker: name, place: Some(place), per_dataset: 0 };
    let race = (0..8).map(|_| claim(pool, card("w", "host/cuda:0")));
    let first: Vec<_> = futures_util::future::join_all(race).await.into_iter().flatten().collect();
    assert_eq!(first.len(), 1);
    assert!(claim(pool, card("x", "host/cuda:1")).await.is_some(), "another card is free");
    store::hand_back(pool, first[0], None).await.unwrap();
    assert!(claim(pool, card("y", "host/cuda:0")).await.is_some());
}

/// The SQL guard and the enum draw the same picture, for every pair of states.
#[tokio::test]
async fn the_guard_knows_the_states_that_the_program_knows() {
    use JobStatus::{Cancelled, Failed, Queued, Running, Succeeded};
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    let all = [Queued, Running, Succeeded, Failed, Cancelled];
    let put = "update jobs set status = $2, error = case $2 when 'failed' then 'x' end,
               lease_expires_at = case $2 when 'running' then now() + interval '1 hour' end,
               finished_at = case when $2 in ('queued', 'running') then null else now() end where id = $1";
    for from in all {
        for to in all {
            let id = submit(pool, &dataset, 0).await;
            let mut way = vec![Running, from];
            way.retain(|_| from != Queued);
            for step in way {
                sqlx::query(put).bind(id).bind(step.word()).execute(pool).await.unwrap();
            }
            let went = sqlx::query(put).bind(id).bind(to.word()).execute(pool).await.is_ok();
            let stays = from == to && !from.is_final();
            assert_eq!(went, stays || from.next().contains(&to), "{from:?} to {to:?}");
        }
    }
}

/// Ten rescuers at once: each lost job is put back once, or ended when it was tried often enough or was to stop;
/// what it held uncharged is handed back; every attempt is on record.
#[tokio::test]
async fn lost_jobs_are_rescued_once() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    let mut ids = Vec::new();
    for _ in 0..9 {
        ids.push(submit(pool, &dataset, 0).await);
    }
    for round in 1..=3 {
        while claim(pool, worker("mortal")).await.is_some() {}
        if round == 2 {
            for id in &ids[..3] {
                store::cancel(pool, *id).await.unwrap();
            }
        }
        store::expire(pool, "mortal", if round == 3 { "out_of_memory" } else { "worker_lost" }).await.unwrap();
        let rescuers = (0..10).map(|_| store::rescue(pool, PATIENCE));
        let rescued: Vec<_> = futures_util::future::try_join_all(rescuers).await.unwrap().concat();
        let (count, ended) = (if round == 3 { 6 } else { 9 }, [0, 3, 6][round - 1]);
        assert_eq!(rescued.len(), count);
        assert_eq!(rescued.iter().map(|r| r.job_id).collect::<HashSet<_>>().len(), count);
        assert_eq!(rescued.iter().filter(|r| r.ended).count(), ended);
    }
    let states: Vec<(String, Option<String>)> =
        sqlx::query_as("select status, error from jobs order by id").fetch_all(pool).await.unwrap();
    let failed = ("failed".to_owned(), Some("out_of_memory".to_owned()));
    assert!(states[..3].iter().all(|state| state.0 == "cancelled") && states[3..].iter().all(|state| *state == failed));
    let account = store::population(pool, dataset.population_id).await.unwrap().account;
    assert_eq!((account.reserved.mu2_pico, account.spent.mu2_pico), (0, 0), "nothing was charged, all handed back");
    let key = store::Role::Admin.custodian_key().unwrap();
    let attempts = store::attempts(pool, ids[8]).await.unwrap().open(&key);
    let seen: Vec<_> = attempts.iter().map(|a| (a.epoch, a.outcome.as_deref(), a.reason.as_deref())).collect();
    let lost = |epoch| (epoch, Some("lost"), Some("worker_lost"));
    assert_eq!(seen, [lost(1), lost(2), (3, Some("failed"), Some("out_of_memory"))]);
}

/// Waits grow for jobs that take their workers with them, and the first loss costs none.
#[tokio::test]
async fn a_job_that_keeps_losing_its_workers_waits_longer_and_longer() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let dataset = table(pool, 1.0).await;
    submit(pool, &dataset, 0).await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        claim(pool, worker("w")).await.expect("claimable");
        store::expire(pool, "w", "worker_lost").await.unwrap();
        store::rescue(pool, Patience { max_attempts: 9, backoff: Duration::from_secs(100) }).await.unwrap();
        let wait = "select extract(epoch from run_after - clock_timestamp())::float8 from jobs";
        waits.push(sqlx::query_scalar::<_, f64>(wait).fetch_one(pool).await.unwrap().max(0.0));
        sqlx::query("update jobs set run_after = now()").execute(pool).await.unwrap();
    }
    assert!(waits[0] < 1.0 && (90.0..=100.0).contains(&waits[1]) && (390.0..=400.0).contains(&waits[2]), "{waits:?}");
    assert!((1590.0..=1600.0).contains(&waits[3]), "{waits:?}");
}

/// A full queue refuses and leaves nothing behind; a tenant that fills its part does not lock out another.
#[tokio::test]
async fn a_full_queue_refuses() {
    let database = fresh_database().await;
    let pool = &database.pool;
    let room = QueueRoom { all: 5, per_tenant: 3 };
    let mut tables = BTreeMap::new();
    for name in ["a", "b", "c"] {
        let tenant = Tenant::new(pool, name);
        tables.insert(name, (table(&tenant, 1.0).await, tenant));
    }
    // Asked for by the tenant itself, which does not see the jobs of others, and counts them all the same.
    let submit = async |name: &str| {
        let (dataset, tenant) = &tables[name];
        let job = NewJob { room, ..job_on(pool, dataset, whole(1.0, 0.001)).await };
        store::submit(tenant, &job, None).await
    };
    let mut outcomes = Vec::new();
    for tenant in ["a", "a", "a", "a", "b", "b", "b", "c"] {
        outcomes.push(submit(tenant).await);
    }
    let refused: Vec<bool> = outcomes.iter().map(|o| matches!(o, Err(StoreError::QueueFull(_)))).collect();
    assert_eq!(refused, [false, false, false, true, false, false, true, true]);
    claim(pool, worker("w")).await.unwrap();
    submit("c").await.unwrap();
    let held: i64 = sqlx::query_scalar("select count(*) from ledger_entries where kind = 'reservation'")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(held, 6, "the refused ones hold nothing");
}
