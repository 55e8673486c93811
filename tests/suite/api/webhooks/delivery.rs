//! Messages are sent until they are taken, signed, under one id, and say what analysts may know.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dp2stage::http::{self, Courier, SystemNames};
use dp2stage::store::{self, Lease};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::receiver::{Receiver, SECRET, webhooks};
use crate::support::{TestApi, scratch};

const LONG: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(30);

/// An API whose jobs may name this receiver.
async fn api(receiver: &Receiver) -> TestApi {
    let api = TestApi::with_webhooks(webhooks(std::slice::from_ref(&receiver.place))).await;
    api.clinic(100.0, 100).await;
    api
}

async fn submit(api: &TestApi, url: &str) -> Uuid {
    let body = json!({"dataset": "clinic", "epsilon": 0.5, "webhook": url});
    api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().expect("an id").parse().expect("an id")
}

async fn claim(pool: &PgPool) -> Lease {
    store::claim(pool, "w", LONG).await.expect("a claim").expect("a job").lease
}

/// Sends what is due from the database until it is dropped.
fn deliverer(api: &TestApi, receiver: &Receiver) -> DropGuard {
    let stop = CancellationToken::new();
    let courier =
        Courier::new(webhooks(std::slice::from_ref(&receiver.place)), Arc::new(SystemNames)).expect("a courier");
    tokio::spawn(http::deliver(api.database.pool.clone(), courier, stop.clone()));
    stop.drop_guard()
}

/// No waiting for the next attempt.
async fn hurry(pool: &PgPool) {
    let now = "update webhook_deliveries set due_at = now() where status = 'pending' and fault is not null";
    sqlx::query(now).execute(pool).await.expect("hurried");
}

async fn until(api: &TestApi, job: Uuid, done: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let message = api.get(&format!("/v1/jobs/{job}")).await.expect(200)["webhook"].clone();
        if done(&message) {
            return message;
        }
        assert!(began.elapsed() < PATIENCE, "still not: {message}");
        hurry(&api.database.pool).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two answers of failure and one of success: three times the same message under the same id.
#[tokio::test]
async fn a_message_is_repeated_until_it_is_taken() {
    let receiver = Receiver::start(&[500, 503, 204]).await;
    let api = api(&receiver).await;
    let pool = &api.database.pool;
    let job = submit(&api, &receiver.url()).await;
    let _deliverer = deliverer(&api, &receiver);
    let lease = claim(pool).await;
    store::progress(pool, lease, "measure", (1, 2)).await.expect("progress");
    assert!(api.get(&format!("/v1/jobs/{job}")).await.expect(200)["webhook"].is_null(), "nothing has ended");
    store::fail(pool, lease, "reservation_exhausted").await.expect("failed");
    let state = until(&api, job, |message| message["status"] == "delivered").await;
    let [first, second, third] = &receiver.received()[..] else { panic!("{:?}", receiver.received()) };
    assert_eq!((&first.id, &second.id, &first.body, &second.body), (&second.id, &third.id, &second.body, &third.body));
    for message in [first, second, third] {
        message.check();
    }
    let view = api.get(&format!("/v1/jobs/{job}?view=released")).await.expect(200);
    assert!(view.get("webhook").is_none(), "custodians see what became of it");
    let expected = json!({
        "type": "job.failed", "timestamp": view["finished_at"],
        "data": {"job": job, "status": "failed", "dataset": "clinic", "links": view["links"]},
    });
    assert_eq!(serde_json::from_str::<Value>(&first.body).expect("JSON"), expected, "no more than analysts may know");
    assert_eq!((state["attempts"].as_u64(), state["answer"].as_u64()), (Some(3), Some(204)));
    assert_eq!((state["id"].as_str(), state["fault"].is_null()), (Some(first.id.as_str()), true));
    assert!(state["due_at"].is_null() && state["ended_at"].is_string());
}

/// Every way to end has its message, and nothing is sent for a job that names nobody.
#[tokio::test]
async fn every_end_is_told_once_by_any_number_of_servers() {
    let receiver = Receiver::start(&[200]).await;
    let api = api(&receiver).await;
    let pool = &api.database.pool;
    let silent = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    store::cancel(pool, silent["id"].as_str().expect("an id").parse().expect("an id")).await.expect("cancelled");
    let mut jobs = Vec::new();
    for place in 0..24 {
        let job = submit(&api, &receiver.url()).await;
        if place % 4 == 0 {
            store::cancel(pool, job).await.expect("cancelled");
        } else {
            let lease = claim(pool).await;
            match place % 4 {
                1 => store::fail(pool, lease, "worker_error").await.expect("failed"),
                2 => store::finish_cancelled(pool, lease).await.expect("cancelled"),
                _ => {
                    store::claim_opening(pool, lease).await.expect("charged");
                    store::finish(pool, lease, &[]).await.expect("finished");
                }
            }
        }
        jobs.push(job);
    }
    let _deliverers = [deliverer(&api, &receiver), deliverer(&api, &receiver), deliverer(&api, &receiver)];
    for job in &jobs {
        until(&api, *job, |message| message["status"] == "delivered").await;
    }
    let received = receiver.received();
    assert_eq!(received.len(), jobs.len());
    for (place, job) in jobs.iter().enumerate() {
        let of_job = received.iter().find(|message| message.body.contains(&job.to_string())).expect("a message");
        let word = ["cancelled", "failed", "cancelled", "succeeded"][place % 4];
        assert!(of_job.body.contains(&format!("\"type\":\"job.{word}\"")), "{}", of_job.body);
    }
}

/// After the last wait a message is dead and stays to be seen; one to a receiver that is gone is dead at once.
#[tokio::test]
async fn a_message_that_nobody_takes_is_given_up() {
    let (deaf, gone) = (Receiver::start(&[500]).await, Receiver::start(&[410]).await);
    for (receiver, attempts, answer) in [(&deaf, 6, 500), (&gone, 1, 410)] {
        let api = api(receiver).await;
        let job = submit(&api, &receiver.url()).await;
        store::cancel(&api.database.pool, job).await.expect("cancelled");
        let _deliverer = deliverer(&api, receiver);
        let state = until(&api, job, |message| message["status"] == "dead").await;
        assert_eq!((state["attempts"].as_u64(), state["answer"].as_u64()), (Some(attempts), Some(answer)));
        assert_eq!(state["fault"], "status");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(receiver.received().len() as u64, attempts);
    }
    let waits: Vec<f64> = vec![5.0, 60.0, 600.0, 3600.0, 21_600.0];
    let api = api(&deaf).await;
    let pool = &api.database.pool;
    let job = submit(&api, &deaf.url()).await;
    store::cancel(pool, job).await.expect("cancelled");
    let _deliverer = deliverer(&api, &deaf);
    for (tried, wait) in waits.into_iter().enumerate() {
        let before = "update webhook_deliveries set due_at = now() where attempts = $1";
        sqlx::query(before).bind(tried as i32).execute(pool).await.expect("hurried");
        let began = Instant::now();
        let left: f64 = loop {
            let left = "select extract(epoch from due_at - clock_timestamp())::float8 from webhook_deliveries
                        where attempts = $1 and fault is not null and due_at > now() + interval '2 s'";
            let left = sqlx::query_scalar(left).bind(tried as i32 + 1).fetch_optional(pool).await.expect("a wait");
            // A lease is not a wait: the fault of this attempt is written with the wait alone.
            if let Some(left) = left.filter(|left: &f64| (left - 30.0).abs() > 2.0) {
                break left;
            }
            assert!(began.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!((0.6 * wait..1.2 * wait).contains(&left), "after attempt {}: {left}", tried + 1);
    }
}

/// `dp2stage serve --dev` without workers, with webhooks. Killed with its handle.
struct Server(Child);

impl Server {
    fn start(api: &TestApi, folder: &std::path::Path, place: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
            .args(["serve", "--dev", "--bind", "127.0.0.1:0", "--state-dir"])
            .arg(folder)
            .current_dir("/")
            .env("DATABASE_URL", &api.database.url)
            .env("DP2STAGE__STORAGE__KEY_FILE", api.storage_key())
            .env("DP2STAGE__WORKERS__LOCAL", "0")
            .env("DP2STAGE__LOG__FILTER", "warn")
            .env("DP2STAGE__WEBHOOKS__ENABLED", "true")
            .env("DP2STAGE__WEBHOOKS__ALLOW", format!("[\"{place}\"]"))
            .env("DP2STAGE__WEBHOOKS__SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert!(lines.next().expect("a line").expect("text").starts_with("dp2stage listens on "));
        Self(child)
    }
}

impl Drop for Server {
    /// kill -9.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// kill -9 between a message and the answer to it: it is sent again, and the receiver can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_it_sends_loses_nothing() {
    // The first message is never answered.
    let receiver = Receiver::with(&[200], |before| async move {
        if before == 0 {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (api, folder) = (api(&receiver).await, scratch());
    let pool = &api.database.pool;
    let job = submit(&api, &receiver.url()).await;
    store::cancel(pool, job).await.expect("cancelled");
    let server = Server::start(&api, folder.path(), &receiver.place);
    receiver.wait_for(1).await;
    drop(server);
    let state = until(&api, job, |message| message["attempts"] == 1).await;
    assert_eq!((state["status"].as_str(), state["answer"].is_null()), (Some("pending"), true));
    // Its time to say what became of it is over.
    let over = "update webhook_deliveries set due_at = now()";
    sqlx::query(over).execute(pool).await.expect("over");
    let _server = Server::start(&api, folder.path(), &receiver.place);
    until(&api, job, |message| message["status"] == "delivered").await;
    let [lost, taken] = &receiver.received()[..] else { panic!("{:?}", receiver.received()) };
    assert_eq!((&lost.id, &lost.body), (&taken.id, &taken.body));
    taken.check();
}
