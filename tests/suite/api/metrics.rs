//! What is told to Prometheus: in form, counted by what was done, of nobody in particular, and also when there is no database.

mod exposition;
mod observability;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dp2stage::http::{self, Sources};
use dp2stage::store::{self, Claimant, Role};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::support::{Server, TestApi, client, clinic, fresh_database, scratch};
use exposition::Exposition;

/// A place where metrics are told. It ends with its handle.
struct Told {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Told {
    async fn of(sources: Sources) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(http::tell(listener, sources, stop.clone()));
        let told = Self { address, _stop: stop.drop_guard() };
        // It looks once before it answers: what comes after this is counted.
        told.read().await;
        told
    }

    async fn text(&self) -> String {
        let answer = client().get(format!("http://{}/metrics", self.address)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let form = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(form, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        answer.text().await.unwrap()
    }

    async fn read(&self) -> Exposition {
        Exposition::read(&self.text().await)
    }
}

const JOB: fn() -> serde_json::Value = || json!({"dataset": "clinic", "epsilon": 0.5, "method": {"stage1": "uniform"}});

#[tokio::test]
async fn what_is_done_is_counted() {
    let api = TestApi::open().await;
    let told = Told::of(api.sources()).await;
    api.clinic(1.0, 200).await;
    let uploaded = told.read().await;
    let bytes = uploaded.value("dp2stage_upload_bytes_total", &[]);
    let kept: i64 =
        sqlx::query_scalar("select bytes from dataset_versions").fetch_one(&api.database.pool).await.unwrap();
    assert_eq!(bytes, kept as f64);
    assert_eq!(uploaded.value("dp2stage_jobs", &[("status", "queued")]), 0.0);
    assert_eq!(uploaded.value("dp2stage_budgets", &[("level", "open")]), 1.0);
    assert_eq!(uploaded.value("dp2stage_budgets_granted_epsilon", &[]), 1.0);

    let id = api.post("/v1/jobs", &JOB()).await.expect(202)["id"].as_str().unwrap().to_owned();
    for path in [&id, &id, &Uuid::now_v7().to_string()] {
        api.get(&format!("/v1/jobs/{path}")).await;
    }
    let queued = told.read().await;
    assert_eq!(queued.value("dp2stage_jobs", &[("status", "queued")]), 1.0);
    assert!(queued.value("dp2stage_oldest_queued_job_age_seconds", &[]) > 0.0);
    let requests = |method, route, status| {
        queued.find("dp2stage_http_requests_total", &[("method", method), ("route", route), ("status", status)])
    };
    assert_eq!(requests("POST", "/v1/jobs", "2xx"), Some(1.0));
    assert_eq!(requests("GET", "/v1/jobs/{job}", "2xx"), Some(2.0));
    assert_eq!(requests("GET", "/v1/jobs/{job}", "4xx"), Some(1.0));
    let took = [("route", "/v1/jobs/{job}"), ("status", "2xx")];
    assert_eq!(queued.value("dp2stage_http_request_duration_seconds_count", &took), 2.0);

    let pool = &api.database.pool;
    let claimant = Claimant { worker: "w", place: None, per_dataset: 0 };
    let lease = store::claim(pool, claimant, Duration::from_secs(60)).await.unwrap().unwrap().lease;
    store::progress(pool, lease, "stage2", (0, 1000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    store::progress(pool, lease, "stage2", (500, 1000)).await.unwrap();
    for _ in 0..2 {
        let running = told.read().await;
        assert_eq!(running.value("dp2stage_jobs", &[("status", "queued")]), 0.0);
        assert_eq!(running.value("dp2stage_running_jobs", &[("stage", "stage2")]), 1.0);
        assert_eq!(running.value("dp2stage_job_claims_total", &[]), 1.0, "looked at twice and counted once");
        let pace = running.value("dp2stage_training_steps_per_second", &[("stage", "stage2")]);
        assert!((100.0..5000.0).contains(&pace), "500 steps in a tenth of a second or more: {pace}");
    }
    store::hand_back(pool, lease, Some(("worker_error", Duration::from_secs(600)))).await.unwrap();
    let back = told.read().await;
    assert_eq!(back.value("dp2stage_job_attempts_ended_total", &[("outcome", "handed_back")]), 1.0);
    assert_eq!(back.value("dp2stage_job_attempts_ended_total", &[("outcome", "failed")]), 0.0);
    assert_eq!(back.value("dp2stage_jobs_waiting_to_be_tried_again", &[]), 1.0);
    assert_eq!(back.value("dp2stage_running_jobs", &[("stage", "stage2")]), 0.0);
}

/// A job that is done by a worker of its own process: the worker opens nothing, and its figures are told all the same.
#[tokio::test]
async fn workers_are_told_of_by_the_server() {
    let api = TestApi::open().await;
    let told = Told::of(api.sources()).await;
    api.clinic(1.0, 200).await;
    // A port that is taken: a worker has no use for it.
    let taken = told.address.to_string();
    let _worker = api.worker_with(10.0, &[("DP2STAGE__METRICS__BIND", &taken)]);
    let mut job = JOB();
    job["rows"] = json!(50);
    let id = api.post("/v1/jobs", &job).await.expect(202)["id"].as_str().unwrap().to_owned();
    let job = api.job_until(&id, Duration::from_secs(120), |job| job["finished_at"].is_string()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let began = Instant::now();
    let done = loop {
        let done = told.read().await;
        // Whoever ended a job says a moment later that it is idle.
        if done.value("dp2stage_workers", &[("device", "cpu"), ("state", "idle")]) == 1.0 {
            break done;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no worker is idle");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(done.value("dp2stage_job_attempts_ended_total", &[("outcome", "succeeded")]), 1.0);
    assert_eq!(done.value("dp2stage_generated_rows_total", &[]), 50.0);
    let joules: f64 = done.samples().filter(|(name, _, _)| name == "dp2stage_energy_joules_total").map(|s| s.2).sum();
    assert!(joules > 0.0 && done.value("dp2stage_work_seconds_total", &[]) > 0.0);
    assert!(done.value("dp2stage_budgets_spent", &[]) > 0.1);
    assert!(done.value("dp2stage_storage_used_bytes", &[]) >= 0.0);
}

/// Values of labels are words of the program; how many series there are does not depend on what clients ask for.
#[tokio::test]
async fn labels_are_bounded_and_name_nobody() {
    let api = TestApi::start(false, dp2stage::tabular::UploadLimits::default()).await;
    let told = Told::of(api.sources()).await;
    let token = api.token_of(Role::Custodian, "acmeclinics").await;
    let declared =
        json!({"name": "wardbook", "schema": clinic(), "rows_public": 200, "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let made = api.request(Method::POST, "/v1/datasets").bearer_auth(&token).json(&declared);
    let dataset = api.send(made).await.expect(201)["id"].as_str().unwrap().to_owned();
    let ask = async |method: Method, path: String| {
        api.send(api.request(method, &path).bearer_auth(&token).header("x-request-id", "madeup-id")).await;
    };
    ask(Method::GET, "/v1/datasets/wardbook".into()).await;
    ask(Method::GET, "/v1/datasets/madeup-0/budget".into()).await;
    ask(Method::GET, "/madeup-0".into()).await;
    ask(Method::from_bytes(b"MADEUP0").unwrap(), "/v1/datasets".into()).await;
    let before = told.read().await.samples().count();
    for i in 1..60 {
        ask(Method::GET, format!("/v1/datasets/madeup-{i}/budget")).await;
        ask(Method::GET, format!("/madeup-{i}/{i}")).await;
        ask(Method::from_bytes(format!("MADEUP{i}").as_bytes()).unwrap(), "/v1/datasets".into()).await;
    }
    let text = told.text().await;
    let after = Exposition::read(&text);
    assert_eq!(after.samples().count(), before);
    for word in ["wardbook", "acmeclinics", "madeup", "MADEUP", &dataset, &token, "age", "ward"] {
        let found = text.lines().find(|line| !line.starts_with('#') && line.contains(&format!("\"{word}")));
        assert!(found.is_none(), "{word}: {found:?}");
    }
    let allowed =
        ["method", "route", "status", "le", "stage", "state", "device", "level", "outcome", "source", "version"];
    let used: BTreeSet<&str> = after.samples().flat_map(|(_, labels, _)| labels.keys().map(String::as_str)).collect();
    assert!(used.iter().all(|label| allowed.contains(label)), "{used:?}");
    for (name, family) in &after.0 {
        let series: BTreeSet<_> = family
            .samples
            .iter()
            .map(|(_, labels, _)| labels.get("le").map_or(labels.clone(), |_| [].into()))
            .collect();
        assert!(series.len() <= 50, "{name} has {} series", series.len());
    }
}

/// Without a database the server still says how it is, and says that there is none.
#[tokio::test]
async fn a_database_that_is_away_is_told() {
    let api = TestApi::open().await;
    api.get("/healthz").await;
    let nobody = store::connect("postgres://nobody@127.0.0.1:1/none".parse().unwrap(), 2);
    let began = Instant::now();
    let told = Told::of(Sources { pool: nobody, ..api.sources() }).await;
    let away = told.read().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(away.value("dp2stage_database_up", &[]), 0.0);
    assert!(!away.0.contains_key("dp2stage_jobs"), "what nobody knows is not told");
    let health = [("method", "GET"), ("route", "/healthz"), ("status", "2xx")];
    assert_eq!(away.value("dp2stage_http_requests_total", &health), 1.0);
    let there = Told::of(api.sources()).await.read().await;
    assert_eq!(there.value("dp2stage_database_up", &[]), 1.0);
}

/// However often it is asked, the database is looked at once in a while.
#[tokio::test]
async fn many_scrapes_are_one_look() {
    let api = TestApi::open().await;
    let told = Told::of(Sources { every: Duration::from_secs(600), ..api.sources() }).await;
    api.clinic(1.0, 200).await;
    let scrapes = futures_util::future::join_all((0..50).map(|_| told.read())).await;
    for scrape in scrapes {
        assert_eq!(scrape.value("dp2stage_budgets", &[("level", "open")]), 0.0, "as it was at the first look");
        assert!(scrape.value("dp2stage_upload_bytes_total", &[]) > 0.0, "what needs no database is always new");
    }
}

/// What is settled is counted once and for all, and the rest again: together they are all there is.
#[tokio::test]
async fn attempts_are_counted_once() {
    let api = TestApi::open().await;
    api.clinic(1.0, 200).await;
    let pool = &api.database.pool;
    let mut connection = pool.acquire().await.unwrap();
    let first = store::database_time(&mut connection).await.unwrap();
    let mut middle = first;
    for i in 0..3 {
        api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.1})).await.expect(202);
        let claimant = Claimant { worker: "w", place: None, per_dataset: 0 };
        let lease = store::claim(pool, claimant, Duration::from_secs(60)).await.unwrap().unwrap().lease;
        store::fail(pool, lease, "worker_error").await.unwrap();
        if i == 0 {
            middle = store::database_time(&mut connection).await.unwrap();
        }
    }
    let counted = async |connection: &mut sqlx::PgConnection, since, until| {
        let mut found = store::attempts_since(connection, since, until).await.unwrap();
        found.sort_by(|a, b| a.kind.cmp(&b.kind));
        found.into_iter().map(|found| (found.kind, found.settled, found.fresh)).collect::<Vec<_>>()
    };
    let all = counted(&mut connection, first, middle).await;
    assert_eq!(all, [("begun".to_owned(), 1, 2), ("failed".to_owned(), 1, 2)]);
    let rest = counted(&mut connection, middle, middle).await;
    assert_eq!(rest, [("begun".to_owned(), 0, 2), ("failed".to_owned(), 0, 2)]);
}

/// Off unless the settings name an address, and never where the API is.
#[tokio::test]
async fn metrics_have_an_address_of_their_own() {
    let api = TestApi::open().await;
    assert_eq!(api.get("/metrics").await.status.as_u16(), 404);
    let (database, folder) = (fresh_database().await, scratch());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let (url, root) = (database.url.clone(), folder.path().to_owned());
    tokio::task::spawn_blocking(move || {
        let settings = [("DP2STAGE__METRICS__BIND", free.as_str())];
        let ask = |url: String| tokio::runtime::Handle::current().block_on(async { client().get(url).send().await });
        let quiet = Server::start(&url, &root, &[]);
        assert!(ask(format!("http://{}/metrics", settings[0].1)).is_err(), "nobody listens unless asked to");
        quiet.stop();
        let server = Server::start(&url, &root, &settings);
        assert_eq!(ask(format!("{}/metrics", server.base)).unwrap().status().as_u16(), 404);
        assert_eq!(ask(format!("http://{}/metrics", settings[0].1)).unwrap().status().as_u16(), 200);
        assert_eq!(ask(format!("http://{}/v1/jobs", settings[0].1)).unwrap().status().as_u16(), 404);
        let second = Server::attempt(&url, &root, &settings).err().expect("a port that is taken");
        assert!(second.contains("metrics.bind"), "{second}");
        server.stop();
        let odd = Server::attempt(&url, &root, &[("DP2STAGE__METRICS__BIND", "localhost")]).err().expect("no address");
        assert!(odd.contains("such as 127.0.0.1:9464"), "{odd}");
    })
    .await
    .unwrap();
}
