//! Small jobs of each kind, workers for them, and what must be true of any job in the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dp2stage::privacy::EntryKind;
use dp2stage::store;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::service::WorkerProcess;
use crate::support::{TestApi, blob_named, folder_of_this_run, storage_of};

/// Longer than anything small takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Stage 1 on uniform rows, then 30 private blocks of so many steps.
pub fn trained(epsilon: f64, block_steps: u32) -> Value {
    json!({"dataset": "clinic", "epsilon": epsilon, "rows": 40, "method": {"stage1": "uniform"},
           "training": {"steps": 30 * block_steps, "batch": 40, "public_steps": 10}})
}

/// A measurement, then training on what it drew and on private rows.
pub fn measured(epsilon: f64) -> Value {
    json!({"dataset": "clinic", "epsilon": epsilon, "rows": 40,
           "training": {"steps": 30, "batch": 40, "public_steps": 10}})
}

/// A measurement and nothing private after it.
pub fn counted(epsilon: f64) -> Value {
    json!({"dataset": "clinic", "epsilon": epsilon, "rows": 40, "method": {"stage1": "marginal", "stage2": "none"},
           "training": {"public_steps": 10}})
}

/// The same, with figures about its table.
pub fn bought(epsilon: f64) -> Value {
    let mut job = counted(epsilon);
    job["report"] = json!({"released_epsilon": 0.4 * epsilon});
    job
}

/// A measurement of some seconds, of the table that [`wide`] uploads, and rows from it alone.
pub fn surveyed(epsilon: f64) -> Value {
    let method = json!({"stage1": "marginal", "stage2": "none", "generator": "distribution"});
    json!({"dataset": "wide", "epsilon": epsilon, "rows": 40, "method": method})
}

/// Declares and uploads a table of six columns, most of them of many values.
pub async fn wide(api: &TestApi) {
    let number = |i| json!({"name": format!("n{i}"), "type": "integer", "min": 0, "max": 999});
    let mut columns: Vec<Value> = (0..5).map(number).collect();
    columns.push(json!({"name": "y", "type": "categorical", "categories": ["no", "yes"]}));
    let declared = json!({"name": "wide", "schema": {"columns": columns, "target": "y"}, "rows_public": 5_000,
                          "budget": {"epsilon": 8.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    let mut csv = String::from("n0,n1,n2,n3,n4,y\n");
    for i in 0..5_000u32 {
        (1..6u32).for_each(|j| csv += &format!("{},", (i * i / 7 + i * j * j) % (100 * j + 7)));
        csv += if (i * i / 7 + i * 4) % 207 < 80 { "yes\n" } else { "no\n" };
    }
    api.upload("wide", csv).await.expect(201);
}

/// Submits a job.
pub async fn submit(api: &TestApi, request: &Value) -> Uuid {
    let job = api.post("/v1/jobs", request).await.expect(202);
    job["id"].as_str().expect("an id").parse().expect("a UUID")
}

/// A file for the releases of a test's workers.
pub fn witness(test: &str) -> PathBuf {
    folder_of_this_run().join(format!("witness-{test}"))
}

/// A worker that tries again at once, with a witness.
pub fn worker(api: &TestApi, lease_seconds: f64, witness: &Path) -> WorkerProcess {
    worker_with(api, lease_seconds, witness, &[])
}

/// The same, with a name.
pub fn worker_named(api: &TestApi, name: &str, lease_seconds: f64, witness: &Path) -> WorkerProcess {
    api.worker_named(name, lease_seconds, &variables(witness))
}

/// The same, with these variables besides.
pub fn worker_with(api: &TestApi, lease_seconds: f64, witness: &Path, environment: &[(&str, &str)]) -> WorkerProcess {
    let mut all = variables(witness);
    all.extend(environment);
    api.worker_with(lease_seconds, &all)
}

fn variables(witness: &Path) -> Vec<(&str, &str)> {
    vec![
        ("DP2STAGE_WITNESS", witness.to_str().expect("a plain path")),
        ("DP2STAGE__WORKERS__THREADS", "1"),
        ("DP2STAGE__QUEUE__BACKOFF_SECONDS", "0"),
        ("DP2STAGE__LOG__FILTER", "off"),
    ]
}

/// Waits until all jobs are final. Returns how many are not by then.
pub async fn settled(pool: &PgPool, patience: Duration) -> usize {
    let began = Instant::now();
    loop {
        let left = unfinished(pool).await;
        if left == 0 || began.elapsed() > patience {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Jobs that are not final.
pub async fn unfinished(pool: &PgPool) -> usize {
    let count: i64 = sqlx::query_scalar("select count(*) from jobs where finished_at is null")
        .fetch_one(pool)
        .await
        .expect("a count");
    count as usize
}

/// A job in a few words: (status, error, attempts).
pub async fn job(pool: &PgPool, id: Uuid) -> (String, Option<String>, i32) {
    let row = sqlx::query_as("select status, error, attempts from jobs where id = $1").bind(id);
    row.fetch_one(pool).await.expect("the job")
}

/// Waits until a job is in a stage, or final.
pub async fn until_stage(pool: &PgPool, id: Uuid, stage: &str) {
    let began = Instant::now();
    loop {
        let there = "select finished_at is not null or (status = 'running' and stage = $2) from jobs where id = $1";
        let there: Option<bool> =
            sqlx::query_scalar(there).bind(id).bind(stage).fetch_one(pool).await.expect("the job");
        if there == Some(true) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "job {id} does not come to {stage}: {:?}", job(pool, id).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is wrong with the only population's ledger and its jobs: damage, a job that was charged twice, results that are
/// not there or cannot be read, or that there are of a job without success.
pub async fn faults(api: &TestApi) -> Vec<String> {
    let (pool, mut found) = (&api.database.pool, Vec::new());
    let blobs = storage_of(api.folder());
    for population in store::populations(pool).await.expect("populations") {
        let budget = store::budget(pool, population).await.expect("a ledger");
        if let Err(fault) = budget.verify(true) {
            found.push(fault.to_string());
        }
        let mut charges = BTreeMap::<(Uuid, i32), usize>::new();
        for entry in budget.book.entries.iter().filter(|entry| entry.kind == EntryKind::Charge) {
            *charges.entry((entry.job_id.expect("a job"), entry.block)).or_default() += 1;
        }
        found.extend(charges.iter().filter(|(_, n)| **n > 1).map(|(what, n)| format!("{what:?} charged {n} times")));
        for (job, status) in &budget.jobs {
            let results: Vec<(String, String)> = sqlx::query_as("select kind, blob from artifacts where job_id = $1")
                .bind(job)
                .fetch_all(pool)
                .await
                .expect("artifacts");
            let rows = results.iter().filter(|(kind, _)| kind == "synthetic").count();
            if (rows == 1) != (*status == store::JobStatus::Succeeded) {
                found.push(format!("job {job} is {status:?} with {results:?}"));
            }
            for (kind, blob) in &results {
                if blobs.read(&blob_named(pool, blob).await).is_err() {
                    found.push(format!("the {kind} of job {job} cannot be read"));
                }
            }
        }
    }
    found
}
