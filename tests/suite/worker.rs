//! Workers as real processes: killed, stopped, cancelled.

use std::time::Duration;

use dp2stage::store::{self, ArtifactKind};
use serde_json::{Value, json};

use crate::support::{TestApi, blob_named, storage_of};

const PATIENCE: Duration = Duration::from_secs(180);

/// kill -9 in the private phase: the job is claimed again and finishes; the repeated block has used
/// up a spare one, and the charge is the same.
#[tokio::test]
async fn a_killed_worker_loses_no_job_and_no_charge() {
    let api = TestApi::open().await;
    api.clinic(1.0, 2000).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 100, "method": {"stage1": "uniform"},
                         "training": {"steps": 900, "batch": 500}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let allowed =
        job["plan"]["private"]["blocks"].as_i64().unwrap() + job["plan"]["private"]["spare_blocks"].as_i64().unwrap();

    let victim = api.worker(2.0);
    // In the middle of a block: some steps of it are done, and its end is far.
    api.job_until(id, PATIENCE, |j| j["progress"]["stage"] == "stage2" && j["progress"]["step"].as_i64() > Some(30))
        .await;
    victim.kill();
    let before = blocks(&api, id).await;
    assert!(!before.is_empty(), "the private phase had begun");
    let charged = api.get(&format!("/v1/jobs/{id}")).await.expect(200);
    assert_eq!(charged["epsilon"]["charged"], 0.5, "charged before the first noise");

    let _heir = api.worker(2.0);
    let job = api.job_until(id, PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["attempts"], 2);
    let after = blocks(&api, id).await;
    let repeated = after.windows(2).filter(|w| w[0].0 == w[1].0 && w[0].1 < w[1].1).count();
    assert_eq!(repeated, 1, "the block at work was repeated under a new epoch: {after:?}");
    assert!(after.len() as i64 <= allowed, "repetitions stay inside the charged spares");
    let numbers: std::collections::BTreeSet<i32> = after.iter().map(|b| b.0).collect();
    assert_eq!(numbers.len() as i64, job["plan"]["private"]["blocks"].as_i64().unwrap(), "every block ran");
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    let kinds: Vec<_> = budget["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let charges = kinds.iter().filter(|kind| **kind == "charge").count();
    assert_eq!(charges, 1, "charged once, however often it was taken up: {kinds:?}");
    let figure = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!((figure(&budget["spent"]) - figure(&budget["entries"][2]["share"])).abs() < 1e-12);
}

/// (block, lease epoch) in the order of claiming.
async fn blocks(api: &TestApi, id: &str) -> Vec<(i32, i64)> {
    let id: uuid::Uuid = id.parse().unwrap();
    sqlx::query_as("select block, lease_epoch from private_blocks where job_id = $1 order by ordinal")
        .bind(id)
        .fetch_all(&api.database.pool)
        .await
        .unwrap()
}

/// When crashes have used up the spare blocks, the job fails and says so; nothing is given back.
#[tokio::test]
async fn spares_that_are_used_up_end_the_job() {
    let api = TestApi::open().await;
    api.clinic(1.0, 200).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "method": {"stage1": "uniform"}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id: uuid::Uuid = job["id"].as_str().unwrap().parse().unwrap();
    // As if all blocks had been begun by attempts that died.
    sqlx::query("update jobs set blocks_claimed = blocks_allowed, charged_at = now() where id = $1")
        .bind(id)
        .execute(&api.database.pool)
        .await
        .unwrap();
    let _worker = api.worker(10.0);
    let job = api.job_until(&id.to_string(), PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("failed"), &json!("reservation_exhausted")));
    assert_eq!(job["epsilon"]["charged"], 0.5);
}

/// A running job stops soon after it was asked to; what was charged stays charged.
#[tokio::test]
async fn a_running_job_can_be_cancelled() {
    let api = TestApi::open().await;
    api.clinic(1.0, 2000).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "method": {"stage1": "uniform"},
                         "training": {"steps": 20_000, "batch": 50}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let _worker = api.worker(10.0);
    api.job_until(id, PATIENCE, |j| j["progress"]["stage"] == "stage2").await;
    api.post(&format!("/v1/jobs/{id}/cancel"), &json!(null)).await.expect(202);
    let job = api.job_until(id, Duration::from_secs(20), |j| j["finished_at"].is_string()).await;
    assert_eq!(job["status"], "cancelled");
    assert_eq!(job["epsilon"]["charged"], 0.5);
    let again = api.post(&format!("/v1/jobs/{id}/cancel"), &json!(null)).await;
    assert_eq!(again.expect(202)["status"], "cancelled", "cancelling twice is no error");
}

/// SIGTERM hands the job back without counting the attempt, and the next worker goes on.
#[tokio::test]
async fn a_draining_worker_hands_its_job_back() {
    let api = TestApi::open().await;
    api.clinic(1.0, 2000).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 100, "method": {"stage1": "uniform"},
                         "training": {"steps": 900, "batch": 500}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let mut first = api.worker(30.0);
    api.job_until(id, PATIENCE, |j| j["progress"]["stage"] == "stage2").await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first.0.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(first.0.wait().unwrap().success(), "a drained worker ends well");
    let job = api.get(&format!("/v1/jobs/{id}")).await.expect(200);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("queued"), &json!(0)));
    let _second = api.worker(30.0);
    let job = api.job_until(id, PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("succeeded"), &json!(1)));
    let seen = blocks(&api, id).await;
    assert_eq!(seen.len() as i64, job["plan"]["private"]["blocks"].as_i64().unwrap(), "no spare was used: {seen:?}");
}

/// A worker with less memory than the server thought hands the job back before it has touched anything,
/// and a larger one takes it up.
#[tokio::test]
async fn a_worker_that_is_too_small_leaves_the_job_to_a_larger_one() {
    let api = TestApi::open().await;
    api.clinic(1.0, 200).await;
    let job =
        api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5, "training": {"public_steps": 60}})).await;
    let job = job.expect(202);
    let id = job["id"].as_str().unwrap();
    let quick = ("DP2STAGE__QUEUE__BACKOFF_SECONDS", "0");
    let small = api.worker_with(5.0, &[quick, ("DP2STAGE__WORKERS__MEMORY_BYTES", "1000000")]);
    let job = api.job_until(id, PATIENCE, |j| j["attempts"].as_i64() >= Some(2)).await;
    assert!(job["epsilon"]["charged"].as_f64().unwrap_or(0.0) == 0.0, "{job}");
    small.kill();
    assert!(blocks(&api, id).await.is_empty());
    let large = api.worker_with(5.0, &[quick]);
    let job = api.job_until(id, PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    large.kill();

    let request =
        json!({"dataset": "clinic", "epsilon": 0.1, "method": {"stage1": "uniform"}, "training": {"steps": 30}});
    let job = api.post("/v1/jobs", &request).await;
    let job = job.expect(202);
    let last = ("DP2STAGE__QUEUE__MAX_ATTEMPTS", "1");
    let _small = api.worker_with(5.0, &[last, ("DP2STAGE__WORKERS__MEMORY_BYTES", "1000000")]);
    let job = api.job_until(job["id"].as_str().unwrap(), PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("failed"), &json!("job_too_large")));
}

/// A worker without room takes no job; one that runs out of room in the middle of a job hands it back, uncounted, and
/// leaves it to another one. The job is charged once, and of its spares at most one is used.
#[tokio::test]
async fn a_full_disk_fails_no_job() {
    let api = TestApi::open().await;
    api.clinic(1.0, 2000).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 100, "method": {"stage1": "uniform"},
                         "training": {"steps": 300, "batch": 100}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let full = api.worker_with(2.0, &[("DP2STAGE__STORAGE__QUOTA_BYTES", "1")]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let waiting = api.get(&format!("/v1/jobs/{id}")).await.expect(200);
    assert_eq!(
        (&waiting["status"], &waiting["attempts"], &waiting["started_at"]),
        (&json!("queued"), &json!(0), &json!(null))
    );
    full.kill();

    let bytes = |folder| -> u64 {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
        files.filter(std::fs::Metadata::is_file).map(|about| about.len()).sum()
    };
    // Room for a little, and not for a checkpoint.
    let quota = (bytes(api.blobs()) + 2000).to_string();
    let mut full = api.worker_with(2.0, &[("DP2STAGE__STORAGE__QUOTA_BYTES", &quota)]);
    api.job_until(id, PATIENCE, |j| j["started_at"].is_string() && j["status"] == "queued").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(full.0.try_wait().unwrap().is_none(), "it lives and waits for room");
    let waiting = api.get(&format!("/v1/jobs/{id}")).await.expect(200);
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("queued"), &json!(0)), "{waiting}");
    assert!(blocks(&api, id).await.len() <= 1);
    full.kill();

    let _roomy = api.worker(5.0);
    let job = api.job_until(id, PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!((&job["status"], &job["epsilon"]["charged"]), (&json!("succeeded"), &json!(0.5)), "{job}");
    let private = &job["plan"]["private"];
    assert!(blocks(&api, id).await.len() as i64 <= private["blocks"].as_i64().unwrap() + 1);
}

/// Eight columns of many values: a measurement of some seconds.
async fn wide(api: &TestApi) {
    let number = |i| json!({"name": format!("n{i}"), "type": "integer", "min": 0, "max": 999});
    let mut columns: Vec<Value> = (0..7).map(number).collect();
    columns.push(json!({"name": "y", "type": "categorical", "categories": ["no", "yes"]}));
    let declared = json!({"name": "wide", "schema": {"columns": columns, "target": "y"}, "rows_public": 20_000,
                          "budget": {"epsilon": 8.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    let mut csv = String::from("n0,n1,n2,n3,n4,n5,n6,y\n");
    for i in 0..20_000u32 {
        for j in 1..8u32 {
            csv += &format!("{},", (i * i / 7 + i * j * j) % (100 * j + 7));
        }
        csv += if (i * i / 7 + i * 4) % 207 < 80 { "yes\n" } else { "no\n" };
    }
    api.upload("wide", csv).await.expect(201);
}

/// The blob of a job's checkpoint.
async fn checkpoint(api: &TestApi, id: &str) -> Option<String> {
    let id: uuid::Uuid = id.parse().unwrap();
    let name = sqlx::query_scalar("select checkpoint from jobs where id = $1").bind(id);
    name.fetch_one(&api.database.pool).await.unwrap()
}

/// The letter and the content that a measured job's checkpoint begins with, if it has one.
async fn kept(api: &TestApi, id: &str) -> Option<(u8, Vec<u8>)> {
    let blob = blob_named(&api.database.pool, &checkpoint(api, id).await?).await;
    let bytes = storage_of(api.folder()).read(&blob).unwrap();
    let length = u64::from_le_bytes(bytes[1..9].try_into().unwrap()) as usize;
    Some((bytes[0], bytes[9..9 + length].to_vec()))
}

/// A job that nobody takes up again ends, and the key of its measurement goes with it.
#[tokio::test]
async fn a_job_that_is_lost_leaves_no_key() {
    let api = TestApi::open().await;
    wide(&api).await;
    let job = api.post("/v1/jobs", &json!({"dataset": "wide", "epsilon": 1.0, "rows": 500})).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let victim = api.worker(2.0);
    api.job_until(id, PATIENCE, |j| j["progress"]["stage"] == "measure").await;
    victim.kill();
    assert_eq!(kept(&api, id).await.expect("a checkpoint").0, b'K');
    let blob = checkpoint(&api, id).await.unwrap();
    let _heir = api.worker_with(2.0, &[("DP2STAGE__QUEUE__MAX_ATTEMPTS", "1")]);
    let job = api.job_until(id, PATIENCE, |j| j["finished_at"].is_string()).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("failed"), &json!("worker_lost")));
    assert_eq!(job["epsilon"]["charged"], 1.0);
    assert!(blob_named(&api.database.pool, &blob).await.key.is_none(), "what opens it went with the job's last word");
    // The blob itself goes a moment after.
    let (began, blobs) = (std::time::Instant::now(), storage_of(api.folder()));
    while blobs.has(&blob).unwrap() {
        assert!(began.elapsed() < Duration::from_secs(10), "the key is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// kill -9 in the measurement, and in stage 1 of a job that has measured: the job succeeds and is charged once. What was
/// measured before is what is released.
#[tokio::test]
async fn a_worker_killed_in_a_measurement_or_after_it_loses_nothing() {
    let api = TestApi::open().await;
    wide(&api).await;
    for (stage, letter) in [("measure", b'K'), ("stage1", b'M')] {
        let request = json!({"dataset": "wide", "epsilon": 1.0, "rows": 500, "training": {"public_steps": 400}});
        let job = api.post("/v1/jobs", &request).await.expect(202);
        let id = job["id"].as_str().unwrap();
        let victim = api.worker(2.0);
        api.job_until(id, PATIENCE, |j| j["progress"]["stage"] == stage).await;
        victim.kill();
        let before = kept(&api, id).await.expect("a checkpoint");
        assert_eq!(before.0, letter, "killed in {stage}");
        let charged = api.get(&format!("/v1/jobs/{id}")).await.expect(200);
        assert_eq!((&charged["status"], &charged["epsilon"]["charged"]), (&json!("running"), &json!(1.0)));

        let heir = api.worker(2.0);
        let job = api.job_until(id, PATIENCE, |j| j["finished_at"].is_string()).await;
        assert_eq!((&job["status"], &job["attempts"]), (&json!("succeeded"), &json!(2)), "{job}");
        heir.kill();
        assert!(blocks(&api, id).await.is_empty(), "a measurement is no block");
        if letter == b'M' {
            let released = store::artifact(&api.database.pool, id.parse().unwrap(), ArtifactKind::Distribution).await;
            let released = storage_of(api.folder()).read(&released.unwrap().blob).unwrap();
            assert!(released == before.1, "it was measured again");
        }
    }
    let budget = api.get("/v1/datasets/wide/budget").await.expect(200);
    let kinds: Vec<_> = budget["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let charges = kinds.iter().filter(|kind| **kind == "charge").count();
    assert_eq!(charges, 2, "each charged once, however often it was taken up: {kinds:?}");
}

/// What the operator sees: who is there, what each is at, and how the attempts at a job went.
#[tokio::test]
async fn workers_are_seen_at_work() {
    let api = TestApi::open().await;
    api.clinic(1.0, 2000).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 100, "method": {"stage1": "uniform"},
                         "training": {"steps": 20_000, "batch": 50}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let mut busy = api.worker(30.0);
    api.job_until(id, PATIENCE, |j| j["progress"]["stage"] == "stage2").await;
    let _idle = api.worker(30.0);
    let seen = until(&api, |workers| workers.len() == 2).await;
    let states: Vec<_> = seen.iter().map(|w| (w["state"].as_str().unwrap(), w["job"].as_str())).collect();
    assert!(states.contains(&("idle", None)) && states.contains(&("working", Some(id))), "{states:?}");
    let at_work = seen.iter().find(|w| w["job"] == id).unwrap();
    assert_eq!((&at_work["device"], at_work["pid"].as_u64()), (&json!("cpu"), Some(u64::from(busy.0.id()))));
    assert!(at_work["used_bytes"].as_i64() > Some(1 << 20) && at_work["threads"].as_i64() >= Some(1), "{at_work}");

    nix::sys::signal::kill(nix::unistd::Pid::from_raw(busy.0.id() as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
    busy.0.wait().unwrap();
    for sql in [
        "update workers set heartbeat_at = now() - interval '40 s' where job_id is not null",
        "update jobs set lease_expires_at = now() - interval '1 s'",
    ] {
        sqlx::query(sql).execute(&api.database.pool).await.unwrap();
    }
    api.job_until(id, PATIENCE, |j| j["attempts"].as_i64() == Some(2)).await;
    let states = |workers: &[Value]| workers.iter().map(|w| w["state"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    until(&api, |workers| {
        let states = states(workers);
        ["silent", "working"].iter().all(|state| states.contains(&Some((*state).to_owned())))
    })
    .await;
    let attempts = api.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
    let attempts = attempts["items"].as_array().unwrap();
    let of = |i: usize| (&attempts[i]["number"], &attempts[i]["outcome"], &attempts[i]["reason"]);
    assert_eq!(of(0), (&json!(1), &json!("lost"), &json!("worker_lost")));
    assert_eq!(of(1), (&json!(2), &json!(null), &json!(null)));
}

async fn until(api: &TestApi, done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let began = std::time::Instant::now();
    loop {
        let page = api.get("/v1/workers").await.expect(200);
        let workers = page["items"].as_array().unwrap().clone();
        if done(&workers) {
            return workers;
        }
        assert!(began.elapsed() < PATIENCE, "still not: {page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A worker of a server that takes more memory than it may is killed; its job says so and is tried again by the next.
#[tokio::test]
async fn a_worker_that_grows_too_large_is_killed_alone() {
    let api = TestApi::open().await;
    api.clinic(1.0, 2000).await;
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 100, "method": {"stage1": "uniform"},
                         "training": {"steps": 20_000, "batch": 50}});
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let crew = dp2stage::queue::Crew {
        devices: vec!["cpu".into()],
        program: env!("CARGO_BIN_EXE_dp2stage").into(),
        arguments: vec!["work".into(), "--state-dir".into(), api.blobs().parent().unwrap().display().to_string()],
        environment: vec![
            ("DATABASE_URL".into(), api.database.url.clone()),
            ("DP2STAGE__WORKERS__MEMORY_BYTES".into(), "8000000000".into()),
            ("DP2STAGE__QUEUE__BACKOFF_SECONDS".into(), "0".into()),
        ],
        // Any worker has as much before it begins.
        memory_bytes: 4 << 20,
        patience: Duration::from_secs(10),
    };
    let stop = tokio_util::sync::CancellationToken::new();
    let crew = tokio::spawn(dp2stage::queue::supervise(crew, api.database.pool.clone(), stop.clone()));
    // The first lives for half a second: whether it had claimed the job by then is up to the machine.
    let reason =
        |a: &Value| a["items"].as_array().is_some_and(|all| all.iter().any(|a| a["reason"] == "out_of_memory"));
    let began = std::time::Instant::now();
    loop {
        let attempts = api.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
        if reason(&attempts) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{attempts}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    crew.await.unwrap();
}
