//! R1 and R3: workers die of kill -9 at random moments.

use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::Value;
use sqlx::PgPool;

use crate::jobs::{counted, faults, measured, settled, submit, surveyed, trained, unfinished, wide, witness, worker};
use crate::replay::replay;
use crate::support::{TestApi, dice, figure, repeats};

const LEASE: f64 = 2.0;
const WORKERS: usize = 3;
/// A job whose worker died is somebody's again after its lease and this long.
const GRACE: &str = "15 s";

fn some_job(number: usize) -> Value {
    match number % 4 {
        0 => trained(0.1, 20),
        1 => measured(0.1),
        2 => surveyed(0.1),
        _ => counted(0.1),
    }
}

/// Jobs whose lease ran out long ago and that nobody took, while a worker had nothing to do.
async fn stuck(pool: &PgPool) -> usize {
    let late = format!(
        "select count(*) from jobs where status = 'running' and lease_expires_at < clock_timestamp() - interval '{GRACE}'"
    );
    let late: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(late)).fetch_one(pool).await.expect("a count");
    late as usize
}

#[tokio::test]
async fn kills_lose_no_job_and_count_every_step() {
    let (kills, mut dice) = (repeats(20, 200), dice("R1"));
    let (api, file) = (TestApi::open().await, witness("kills"));
    let pool = &api.database.pool;
    api.clinic(8.0, 300).await;
    wide(&api).await;
    let mut workers: Vec<_> = (0..WORKERS).map(|_| worker(&api, LEASE, &file)).collect();
    let (mut jobs, mut late) = (0, 0);
    for _ in 0..kills {
        while unfinished(pool).await <= WORKERS {
            submit(&api, &some_job(jobs)).await;
            jobs += 1;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(100..900))).await;
        late = late.max(stuck(pool).await);
        let victim = dice.random_range(0..WORKERS);
        std::mem::replace(&mut workers[victim], worker(&api, LEASE, &file)).kill();
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
