//! R2: the process dies, or the database seems away, at each edge of what is committed.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::jobs::{PATIENCE, bought, counted, faults, job, measured, settled, submit, trained, until_stage, witness};
use crate::jobs::{worker, worker_with};
use crate::replay::replay;
use crate::served::Served;
use crate::support::queue::run_out;
use crate::support::{TestApi, figure, fresh_database, scratch};

/// An edge, the job that comes to it, and how often it passes before it fails.
struct Edge {
    name: &'static str,
    request: fn() -> Value,
    passes: u32,
}

const EDGES: [Edge; 13] = [
    Edge { name: "claim", request: || trained(0.05, 1), passes: 0 },
    Edge { name: "renew", request: || trained(0.05, 1), passes: 0 },
    Edge { name: "opening", request: || counted(0.05), passes: 0 },
    // The key of a measurement, and the distribution in its place.
    Edge { name: "checkpoint_blob", request: || measured(0.05), passes: 1 },
    Edge { name: "checkpoint", request: || measured(0.05), passes: 0 },
    Edge { name: "block", request: || trained(0.05, 1), passes: 0 },
    Edge { name: "block", request: || measured(0.05), passes: 7 },
    Edge { name: "checkpoint", request: || trained(0.05, 1), passes: 7 },
    // After the key, the distribution and stage 1: the mark before figures are drawn, and the one that keeps them.
    Edge { name: "checkpoint", request: || bought(0.05), passes: 3 },
    Edge { name: "checkpoint_blob", request: || bought(0.05), passes: 4 },
    Edge { name: "checkpoint", request: || bought(0.05), passes: 4 },
    Edge { name: "artifact", request: || counted(0.05), passes: 0 },
    Edge { name: "finish", request: || trained(0.05, 1), passes: 0 },
];

/// `<edge>.<moment>=...`: passes so often, fails once, and never again.
fn failpoint(edge: &str, moment: &str, (passes, how): (u32, &str)) -> String {
    let passes = if passes > 0 { format!("{passes}*off->") } else { String::new() };
    format!("{edge}.{moment}={passes}1*return({how})->off")
}

/// Runs one job over one edge. Returns whether the edge was met.
async fn meet(api: &TestApi, file: &Path, id: Uuid, (failpoint, aborts): (&str, bool)) -> bool {
    let pool = &api.database.pool;
    let mut first = worker_with(api, 3.0, file, &[("FAILPOINTS", failpoint)]);
    if !aborts {
        settled(pool, PATIENCE).await;
        first.kill();
        return true;
    }
    let began = Instant::now();
    let met = loop {
        match first.0.try_wait().expect("a worker") {
            Some(_) => break true,
            None if settled(pool, Duration::ZERO).await == 0 => {
                // The last edges lie behind the end of the job.
                tokio::time::sleep(Duration::from_millis(500)).await;
                break first.0.try_wait().expect("a worker").is_some();
            }
            None => assert!(began.elapsed() < PATIENCE, "{failpoint}: neither dead nor done"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    run_out(pool, id).await;
    let heir = worker(api, 5.0, file);
    settled(pool, PATIENCE).await;
    heir.kill();
    met
}

/// Worker's edges x before and after x death and a lost answer.
#[tokio::test]
async fn every_edge_of_a_worker_ends_right() {
    let (api, file) = (TestApi::open().await, witness("edges"));
    let pool = &api.database.pool;
    api.clinic(8.0, 300).await;
    let (mut cases, mut wrong, mut missed) = (0, 0, 0);
    for Edge { name, request, passes } in EDGES {
        for moment in ["before", "after"] {
            for how in ["abort", "error"] {
                let (began, id) = (Instant::now(), submit(&api, &request()).await);
                let point = failpoint(name, moment, (passes, how));
                let met = meet(&api, &file, id, (&point, how == "abort")).await;
                let state = job(pool, id).await;
                let right = state.0 == "succeeded" && charges(pool, id).await;
                if !right || !met {
                    println!("R2: {point}: met: {met}, {state:?}, {:.1} s", began.elapsed().as_secs_f64());
                }
                (cases, wrong, missed) = (cases + 1, wrong + usize::from(!right), missed + usize::from(!met));
            }
        }
    }
    for how in ["abort", "error"] {
        for moment in ["before", "after"] {
            let right = hand_back(&api, &file, (moment, how)).await;
            (cases, wrong) = (cases + 1, wrong + usize::from(!right));
        }
    }
    let (unsound, told) = (faults(&api).await, replay(pool, &file).await);
    println!("R2: {told:?} {unsound:?}");
    let faults = [
        (wrong, "ended wrongly"),
        (missed, "never met"),
        (unsound.len(), "faults of ledger or results"),
        (told.under_counted.len(), "under-counted"),
        (told.beyond_spares.len(), "beyond their spares"),
    ];
    figure("R2", (cases, "edges of a worker"), &faults);
}

/// A job that is final was charged in whole once, or once for each block that it began.
async fn charges(pool: &PgPool, id: Uuid) -> bool {
    let (charges, each, claimed): (i64, bool, i32) = sqlx::query_as(
        "select (select count(*) from ledger_entries where job_id = j.id and kind = 'charge'),
                price->'block' <> 'null'::jsonb, blocks_claimed from jobs j where id = $1",
    )
    .bind(id)
    .fetch_one(pool)
    .await
    .expect("the job");
    charges == if each { i64::from(claimed) } else { 1 }
}

/// The edge that a draining worker comes to.
async fn hand_back(api: &TestApi, file: &Path, (moment, how): (&str, &str)) -> bool {
    let pool = &api.database.pool;
    let id = submit(api, &trained(0.05, 20)).await;
    let point = failpoint("hand_back", moment, (0, how));
    let mut first = worker_with(api, 30.0, file, &[("FAILPOINTS", &point)]);
    until_stage(pool, id, "stage2").await;
    kill(Pid::from_raw(first.0.id() as i32), Signal::SIGTERM).expect("a signal");
    let began = Instant::now();
    while first.0.try_wait().expect("a worker").is_none() {
        assert!(began.elapsed() < PATIENCE, "{point}: it does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let handed_back = job(pool, id).await.0 == "queued";
    run_out(pool, id).await;
    let heir = worker(api, 5.0, file);
    settled(pool, PATIENCE).await;
    heir.kill();
    let state = job(pool, id).await;
    let right = handed_back == (moment == "after") && state.0 == "succeeded" && charges(pool, id).await;
    if !right {
        println!("R2: {point}: handed back: {handed_back}, {state:?}");
    }
    right
}

/// The server's edge: a submission whose answer was lost is repeated under its key, and there is one job and one
/// reservation.
#[tokio::test]
async fn a_submission_that_fails_at_its_edge_is_made_once() {
    let (mut cases, mut wrong) = (0, 0);
    for moment in ["before", "after"] {
        for how in ["abort", "error"] {
            let (database, folder) = (fresh_database().await, scratch());
            let point = failpoint("submit", moment, (0, how));
            let environment = [("DP2STAGE__WORKERS__LOCAL", "0"), ("FAILPOINTS", &point)];
            let mut served = Served::start(&database.url, folder.path(), &environment).await;
            served.clinic(100).await;
            let first = served.post("/v1/jobs", &trained(0.05, 1), Some("once")).await;
            let lost = match &first {
                None => how == "abort",
                Some(said) => how == "error" && said.status == StatusCode::SERVICE_UNAVAILABLE && said.retry_after,
            };
            if how == "abort" {
                served.ended().await;
                served = Served::start(&database.url, folder.path(), &environment[..1]).await;
            }
            let again = served.post("/v1/jobs", &trained(0.05, 1), Some("once")).await;
            let kept: i64 = sqlx::query_scalar("select count(*) from jobs").fetch_one(&database.pool).await.unwrap();
            let held = "select count(*) from ledger_entries where kind = 'reservation'";
            let held: i64 = sqlx::query_scalar(held).fetch_one(&database.pool).await.unwrap();
            let right = lost && again.as_ref().is_some_and(|said| said.status == StatusCode::ACCEPTED);
            if !right || (kept, held) != (1, 1) {
                println!("R2: {point}: {first:?}, then {again:?}; {kept} jobs, {held} reservations");
                wrong += 1;
            }
            cases += 1;
        }
    }
    figure("R2", (cases, "edges of a submission"), &[(wrong, "ended wrongly")]);
}
