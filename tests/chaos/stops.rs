//! Workers that are paused past their lease (R4), and workers that are told to end (R6).

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::Rng;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::jobs::{PATIENCE, faults, job, settled, submit, trained, until_stage, witness, worker};
use crate::replay::{lines, replay};
use crate::support::service::WorkerProcess;
use crate::support::{TestApi, dice, figure, repeats};

fn signal(worker: &WorkerProcess, signal: Signal) {
    kill(Pid::from_raw(worker.0.id() as i32), signal).expect("a signal");
}

/// Everything that the database has of a job.
async fn everything(pool: &PgPool, id: Uuid) -> (Value, Value, Value, i64) {
    sqlx::query_as(
        "select to_jsonb(j), (select jsonb_agg(to_jsonb(a) order by kind) from artifacts a where job_id = j.id),
                (select jsonb_agg(to_jsonb(b) order by ordinal) from private_blocks b where job_id = j.id),
                (select count(*) from ledger_entries where job_id = j.id)
         from jobs j where id = $1",
    )
    .bind(id)
    .fetch_one(pool)
    .await
    .expect("the job")
}

fn releases(file: &Path, id: Uuid, epoch: i64) -> usize {
    lines(file).iter().filter(|line| line.job == id && line.epoch == epoch).count()
}

/// SIGSTOP in the private phase until another worker has taken the job and finished it; then SIGCONT.
#[tokio::test]
async fn a_worker_that_was_paused_past_its_lease_changes_nothing() {
    let (pauses, file) = (repeats(2, 20), witness("pauses"));
    let api = TestApi::open().await;
    let pool = &api.database.pool;
    api.clinic(8.0, 300).await;
    let (mut changed, mut went_on) = (0, 0);
    for _ in 0..pauses {
        let id = submit(&api, &trained(0.1, 10)).await;
        let sleeper = worker(&api, 1.5, &file);
        until_stage(pool, id, "stage2").await;
        signal(&sleeper, Signal::SIGSTOP);
        let heir = worker(&api, 10.0, &file);
        assert_eq!(settled(pool, PATIENCE).await, 0);
        assert_eq!(job(pool, id).await, ("succeeded".into(), None, 2), "the heir finished it");
        let (before, steps) = (everything(pool, id).await, releases(&file, id, 1));
        heir.kill();
        signal(&sleeper, Signal::SIGCONT);
        // It is awake and has let go when it works on another job.
        let next = submit(&api, &trained(0.1, 1)).await;
        assert_eq!(settled(pool, PATIENCE).await, 0);
        assert_eq!(job(pool, next).await, ("succeeded".into(), None, 1));
        changed += usize::from(everything(pool, id).await != before);
        // One step may have been between the question whether to go on and its noise.
        went_on += usize::from(releases(&file, id, 1) > steps + 1);
        sleeper.kill();
    }
    let (unsound, told) = (faults(&api).await, replay(pool, &file).await);
    assert!(unsound.is_empty() && told.under_counted.is_empty(), "{unsound:?} {told:?}");
    figure("R4", (pauses, "workers paused past their lease"), &[(changed, "published"), (went_on, "went on")]);
}

/// SIGTERM at random moments of a job: the worker ends well and in time, no attempt is burnt, and no spare block is used.
#[tokio::test]
async fn a_worker_that_is_told_to_end_hands_back_in_time() {
    let (terms, mut dice, file) = (repeats(5, 100), dice("R6 drains"), witness("drains"));
    let api = TestApi::open().await;
    let pool = &api.database.pool;
    api.clinic(8.0, 300).await;
    let (mut late, mut ill, mut burnt, mut longest) = (0, 0, 0, Duration::ZERO);
    let mut id = Uuid::nil();
    for _ in 0..terms {
        if settled(pool, Duration::ZERO).await == 0 {
            id = submit(&api, &trained(0.1, 10)).await;
        }
        let mut drained = worker(&api, 20.0, &file);
        while job(pool, id).await.0 == "queued" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..800))).await;
        let told = Instant::now();
        signal(&drained, Signal::SIGTERM);
        let status = loop {
            match drained.0.try_wait().expect("a worker") {
                Some(status) => break Some(status),
                None if told.elapsed() > Duration::from_secs(90) => break None,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        longest = longest.max(told.elapsed());
        late += usize::from(told.elapsed() > Duration::from_secs(60));
        ill += usize::from(!status.is_some_and(|status| status.success()));
        let (status, _, attempts) = job(pool, id).await;
        burnt += usize::from(!matches!((status.as_str(), attempts), ("queued", 0) | ("succeeded", 1)));
    }
    let heir = worker(&api, 20.0, &file);
    let lost = settled(pool, PATIENCE).await;
    heir.kill();
    let spares: i64 = sqlx::query_scalar(
        "select count(*) from jobs where status <> 'succeeded' or blocks_claimed > (plan->'private'->>'blocks')::int",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let (unsound, told) = (faults(&api).await, replay(pool, &file).await);
    assert!(unsound.is_empty() && told.under_counted.is_empty() && told.repeated == 0, "{unsound:?} {told:?}");
    println!("R6: the slowest drain took {:.1} s", longest.as_secs_f64());
    let faults = [
        (late, "late"),
        (ill, "ended badly"),
        (burnt, "attempts burnt"),
        (spares as usize, "spares used"),
        (lost, "lost"),
    ];
    figure("R6", (terms, "SIGTERMs"), &faults);
}
