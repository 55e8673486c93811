//! R1 and R3: workers die of kill -9 at random moments.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::jobs::{
    counted, faults, measured, settled, submit, surveyed, trained, unfinished, wide, witness, worker_named,
};
use crate::replay::replay;
use crate::support::service::WorkerProcess;
use crate::support::{TestApi, dice, figure, repeats};

const LEASE: f64 = 2.0;
const WORKERS: usize = 3;
/// A job whose worker died is somebody's again after its lease and this long.
const GRACE: &str = "15 s";

fn some_job(number: usize) -> Value {
    let mut job = match number % 6 {
        1 => trained(0.1, 20),
        3 => measured(0.1),
        5 => counted(0.1),
        _ => surveyed(0.1),
    };
    // Half of each kind buys figures.
    if number % 4 < 2 {
        job["report"] = json!({"released_epsilon": 0.04});
    }
    job
}

/// Jobs whose lease ran out long ago and that nobody took, while a worker had nothing to do.
async fn stuck(pool: &PgPool) -> usize {
    let late = format!(
        "select count(*) from jobs where status = 'running' and lease_expires_at < clock_timestamp() - interval '{GRACE}'"
    );
    let late: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(late)).fetch_one(pool).await.expect("a count");
    late as usize
}

/// One of these workers, at random, that holds a job; often one that measures. None when nobody does for some seconds: then
/// all jobs may be done.
async fn somebody_at_work(
    pool: &PgPool,
    workers: &BTreeMap<String, WorkerProcess>,
    dice: &mut ChaCha8Rng,
) -> Option<String> {
    let (began, measures) = (Instant::now(), dice.random_bool(0.4));
    loop {
        let busy = "select worker, stage is not distinct from 'measure' from jobs
                    where status = 'running' and lease_expires_at > clock_timestamp()";
        let busy: Vec<(String, bool)> = sqlx::query_as(busy).fetch_all(pool).await.expect("workers");
        let wanted = measures && began.elapsed() < Duration::from_secs(1);
        let alive = busy.iter().filter(|(name, measures)| workers.contains_key(name) && (*measures || !wanted));
        let alive: Vec<&String> = alive.map(|(name, _)| name).collect();
        if !alive.is_empty() {
            return Some(alive[dice.random_range(0..alive.len())].clone());
        }
        if began.elapsed() > Duration::from_secs(5) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn kills_lose_no_job_and_count_every_step() {
    let (kills, mut dice) = (repeats(20, 200), dice("R1"));
    let (api, file) = (TestApi::open().await, witness("kills"));
    let pool = &api.database.pool;
    api.clinic(8.0, 300).await;
    wide(&api).await;
    let mut workers = BTreeMap::new();
    let (mut jobs, mut late) = (0, 0);
    let (mut killed, began) = (0, Instant::now());
    while killed < kills {
        assert!(began.elapsed() < crate::jobs::PATIENCE * (1 + kills as u32 / 20), "nobody works");
        while workers.len() < WORKERS {
            let name = format!("worker {} {killed}", workers.len());
            workers.insert(name.clone(), worker_named(&api, &name, LEASE, &file));
        }
        while unfinished(pool).await <= WORKERS {
            submit(&api, &some_job(jobs)).await;
            jobs += 1;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..700))).await;
        late = late.max(stuck(pool).await);
        let Some(victim) = somebody_at_work(pool, &workers, &mut dice).await else { continue };
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..300))).await;
        workers.remove(&victim).expect("a worker").kill();
        killed += 1;
    }
    while workers.len() < WORKERS {
        let name = format!("heir {}", workers.len());
        workers.insert(name.clone(), worker_named(&api, &name, LEASE, &file));
    }
    let last = Instant::now();
    while unfinished(pool).await > 0 && last.elapsed() < crate::jobs::PATIENCE {
        late = late.max(stuck(pool).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let lost = settled(pool, Duration::ZERO).await;
    drop(workers);

    let count = async |what: &'static str| -> i64 { sqlx::query_scalar(what).fetch_one(pool).await.unwrap() };
    let hit = count("select coalesce(sum(attempts - 1), 0) from jobs").await;
    let spent = count("select count(*) from jobs where error = 'reservation_exhausted'").await;
    let wrong = count(
        "select count(*) from jobs where status <> 'succeeded' and error is distinct from 'reservation_exhausted'",
    )
    .await;
    let unsound = faults(&api).await;
    println!(
        "R1: {jobs} jobs; {hit} kills met a job at work; {spent} jobs ended with all spare blocks used; {unsound:?}"
    );
    let told = replay(pool, &file).await;
    println!(
        "R3: {} jobs, {} steps and {} noisy counts replayed; {} blocks repeated with fresh noise, {} counts with the same; {:?} {:?}",
        told.jobs, told.steps, told.counts, told.repeated, told.same_again, told.under_counted, told.beyond_spares
    );
    assert!(hit > 0 && told.steps > 0 && told.counts > 0, "the kills met nobody");
    let faults = [
        (lost, "lost"),
        (late, "stuck"),
        (wrong as usize, "ended wrongly"),
        (unsound.len(), "faults of ledger or results"),
    ];
    figure("R1", (kills, "kills -9"), &faults);
    let faults = [(told.under_counted.len(), "under-counted"), (told.beyond_spares.len(), "beyond their spares")];
    figure("R3", (told.jobs, "jobs replayed"), &faults);
}
