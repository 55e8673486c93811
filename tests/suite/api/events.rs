//! Streams of events: whole, once, in order, and to analysts nothing about retries.

use std::time::Duration;

use dp2stage::store::{self, Lease};
use dp2stage::tabular::UploadLimits;
use futures_util::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::refusal::problem;
use crate::support::{TestApi, repeats};

const LONG: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(20);

/// An event as a client sees it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: Option<String>,
    name: String,
    data: Value,
}

impl Event {
    /// The state or stage that it tells.
    fn word(&self) -> &str {
        self.data["status"].as_str().or(self.data["stage"].as_str()).unwrap_or(&self.name)
    }

    /// Without moments, which differ from job to job.
    fn timeless(mut self) -> Self {
        self.data.as_object_mut().expect("an object").remove("at");
        self
    }
}

/// An open stream.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(api: &TestApi, job: Uuid, view: &str, last: Option<&str>) -> Self {
        let mut request = api.request(Method::GET, &format!("/v1/jobs/{job}/events?view={view}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; none when the server has closed the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.map(str::to_owned)
                };
                // Comments and the hello are none.
                if let (Some(name), Some(data)) = (field("event"), field("data")) {
                    return Some(Event { id: field("id"), name, data: serde_json::from_str(&data).expect("JSON") });
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something in time");
            match chunk {
                Ok(Some(chunk)) => self.text += std::str::from_utf8(&chunk).expect("UTF-8"),
                _ => return None,
            }
        }
    }

    /// Everything with an id, up to the end.
    async fn rest(mut self) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            if event.id.is_some() {
                all.push(event);
            }
        }
        all
    }
}

async fn submit(api: &TestApi) -> Uuid {
    let body = json!({"dataset": "clinic", "epsilon": 0.5, "training": {"steps": 30}});
    api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().expect("an id").parse().expect("an id")
}

async fn any(pool: &PgPool) -> Option<Lease> {
    store::claim(pool, "w", LONG).await.expect("a claim").map(|claimed| claimed.lease)
}

async fn claim(pool: &PgPool) -> Lease {
    any(pool).await.expect("a job")
}

/// The worker fell silent, and the job is there to be claimed again.
async fn lose(pool: &PgPool, lease: Lease) {
    let lost = "update jobs set status = 'queued', lease_expires_at = null where id = $1";
    sqlx::query(lost).bind(lease.job_id).execute(pool).await.expect("lost");
}

async fn at(pool: &PgPool, lease: Lease, stage: &str, step: i32) {
    store::progress(pool, lease, stage, (step, 10)).await.expect("progress");
}

/// Of job A one attempt; of job B three, one of which dies and one is put back, and a stage is never heard of.
async fn smooth_and_rough(pool: &PgPool, smooth: Uuid, rough: Uuid) -> (Lease, Lease) {
    let one = claim(pool).await;
    assert_eq!(one.job_id, smooth);
    for stage in ["measure", "stage1", "stage2", "generate"] {
        at(pool, one, stage, 1).await;
        at(pool, one, stage, 9).await;
    }
    let lost = claim(pool).await;
    assert_eq!(lost.job_id, rough);
    at(pool, lost, "measure", 9).await;
    at(pool, lost, "stage1", 9).await;
    lose(pool, lost).await;
    let again = claim(pool).await;
    at(pool, again, "measure", 2).await;
    store::hand_back(pool, again, Some(("worker_error", Duration::ZERO))).await.expect("handed back");
    let last = claim(pool).await;
    at(pool, last, "generate", 5).await;
    (one, last)
}

#[tokio::test]
async fn retries_do_not_show_in_the_released_stream() {
    let api = TestApi::open().await;
    api.clinic(20.0, 100).await;
    let pool = &api.database.pool;
    for failing in [true, false] {
        let (smooth, rough) = (submit(&api).await, submit(&api).await);
        let live = join_all([smooth, rough].map(|job| Stream::open(&api, job, "released", None))).await;
        let (one, other) = smooth_and_rough(pool, smooth, rough).await;
        let view = async |job: Uuid| {
            let mut view = api.get(&format!("/v1/jobs/{job}?view=released")).await.expect(200);
            for own in ["id", "links", "created_at", "started_at", "finished_at"] {
                view.as_object_mut().expect("an object").remove(own);
            }
            view
        };
        // Put back, the job still runs, as far as analysts are told.
        at(pool, one, "generate", 9).await;
        at(pool, other, "generate", 9).await;
        store::hand_back(pool, other, None).await.expect("handed back");
        assert_eq!(view(smooth).await, view(rough).await);
        let running = api.get("/v1/jobs?status=running&view=released").await.expect(200);
        assert_eq!(running["items"].as_array().expect("a list").len(), 2);
        assert_eq!(api.get("/v1/jobs?status=running").await.expect(200)["items"].as_array().map(Vec::len), Some(1));
        let other = claim(pool).await;
        for lease in [one, other] {
            if failing {
                let code = if lease.job_id == smooth { "worker_error" } else { "reservation_exhausted" };
                store::fail(pool, lease, code).await.expect("failed");
            } else {
                store::claim_opening(pool, lease).await.expect("charged");
                store::finish(pool, lease, &[]).await.expect("finished");
            }
        }
        assert_eq!(view(smooth).await, view(rough).await);

        let mut told = Vec::new();
        for stream in live {
            told.push(stream.rest().await);
        }
        for job in [smooth, rough] {
            told.push(Stream::open(&api, job, "released", None).await.rest().await);
        }
        assert!(told[2] == told[0] && told[3] == told[1], "live and afterwards are the same");
        let told = told.into_iter().map(|events| events.into_iter().map(Event::timeless).collect::<Vec<_>>());
        let told: Vec<_> = told.collect();
        assert_eq!(told[0], told[1], "but for the moments, nothing tells the two apart");
        let words: Vec<_> = told[0].iter().map(Event::word).collect();
        let end: &[&str] = if failing { &["failed"] } else { &["report", "succeeded"] };
        assert_eq!(words, [&["queued", "running", "measure", "stage1", "stage2", "generate"], end].concat());
        let ids: Vec<_> = told[0].iter().map(|event| event.id.clone().expect("an id")).collect();
        assert_eq!(ids, (1..=ids.len()).map(|n| format!("released-{n}")).collect::<Vec<_>>(), "no gap");
        assert!(!failing || told[0].last().expect("an end").data == json!({"status": "failed", "error": "job_failed"}));

        let exact = Stream::open(&api, rough, "custodian", None).await.rest().await;
        let words: Vec<_> = exact.iter().map(Event::word).collect();
        assert_eq!(words.iter().filter(|word| **word == "running").count(), 4, "{words:?}");
        assert_eq!(words.iter().filter(|word| **word == "queued").count(), 4, "{words:?}");
        assert!(words.iter().filter(|word| **word == "measure").count() == 2, "{words:?}");
        let faults: Vec<_> = exact.iter().filter(|event| event.word() == "queued").map(|e| &e.data["error"]).collect();
        assert_eq!(faults, [&json!(null), &json!(null), &json!("worker_error"), &json!("draining")]);
        if failing {
            assert_eq!(exact.last().expect("an end").data["error"], "reservation_exhausted");
        }
    }
}

/// Behind each event the stream goes on with the next one; behind the last there is nothing.
#[tokio::test]
async fn a_stream_is_taken_up_where_it_ended() {
    let api = TestApi::open().await;
    api.clinic(20.0, 100).await;
    let pool = &api.database.pool;
    let job = submit(&api).await;
    let lease = claim(pool).await;
    at(pool, lease, "measure", 1).await;
    at(pool, lease, "generate", 1).await;
    store::cancel(pool, job).await.expect("asked");
    store::finish_cancelled(pool, lease).await.expect("cancelled");
    let events = async |view: &str, id: &str| {
        let path = format!("/v1/jobs/{job}/events?view={view}");
        api.send(api.request(Method::GET, &path).header("last-event-id", id)).await
    };
    for (view, cancel) in [("released", 0), ("custodian", 1)] {
        let all = Stream::open(&api, job, view, None).await.rest().await;
        assert_eq!(all.iter().filter(|event| event.name == "cancel").count(), cancel);
        assert_eq!(all.last().map(Event::word), Some("cancelled"));
        for (sent, event) in all.iter().enumerate().take(all.len() - 1) {
            let rest = Stream::open(&api, job, view, event.id.as_deref()).await.rest().await;
            assert_eq!(rest, all[sent + 1..]);
        }
        let last = all.last().and_then(|event| event.id.clone()).expect("an id");
        let nothing = events(view, &last).await;
        assert_eq!((nothing.status.as_u16(), nothing.text.as_str()), (204, ""));
        let next = format!("{view}-{}", all.len() + 1);
        let other = if view == "released" { "custodian-1" } else { "released-1" };
        for id in [next.as_str(), other, "", "1", "released-", "released--1", "released-x", "\u{e9}"] {
            problem(&events(view, id).await, 422, "request_invalid");
        }
    }
    problem(&api.get(&format!("/v1/jobs/{}/events", Uuid::now_v7())).await, 404, "not_found");
}

/// Neither a server that is started anew nor a database that drops its connections costs an event.
#[tokio::test]
async fn streams_survive_servers_and_connections() {
    let mut api = TestApi::open().await;
    api.clinic(20.0, 100).await;
    let pool = api.database.pool.clone();
    let job = submit(&api).await;
    let mut stream = Stream::open(&api, job, "released", None).await;
    let mut told = vec![stream.next().await.expect("queued")];
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query(kill).execute(&pool).await.expect("killed");
    let lease = claim(&pool).await;
    told.push(stream.next().await.expect("running"));
    at(&pool, lease, "measure", 1).await;
    told.push(stream.next().await.expect("measure"));
    // The server stops, which ends the stream; meanwhile the job goes on.
    api = api.restarted().await;
    while let Some(event) = stream.next().await {
        assert!(event.name == "progress", "nothing new: {event:?}");
    }
    at(&pool, lease, "stage1", 1).await;
    let mut stream = Stream::open(&api, job, "released", told[2].id.as_deref()).await;
    told.push(stream.next().await.expect("stage1"));
    sqlx::query(kill).execute(&pool).await.expect("killed");
    at(&pool, lease, "generate", 1).await;
    store::claim_opening(&pool, lease).await.expect("charged");
    store::finish(&pool, lease, &[]).await.expect("finished");
    told.extend(stream.rest().await);
    let whole = Stream::open(&api, job, "released", None).await.rest().await;
    assert_eq!(told, whole);
    let words: Vec<_> = whole.iter().map(Event::word).collect();
    assert_eq!(words, ["queued", "running", "measure", "stage1", "stage2", "generate", "report", "succeeded"]);
}

/// A server has so many places, and gives them back.
#[tokio::test]
async fn streams_are_bounded() {
    let api = TestApi::start(true, UploadLimits::default()).await;
    api.clinic(20.0, 100).await;
    let job = submit(&api).await;
    // As many as the server of tests has.
    let mut open = join_all((0..16).map(|_| Stream::open(&api, job, "released", None))).await;
    let path = format!("/v1/jobs/{job}/events");
    let refused = api.get(&path).await;
    assert_eq!(refused.headers["retry-after"], "2");
    problem(&refused, 503, "too_many_streams");
    drop(open.pop());
    let began = std::time::Instant::now();
    while api.request(Method::GET, &path).send().await.expect("an answer").status() != 200 {
        assert!(began.elapsed() < PATIENCE, "the place is free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Progress has no id, comes at most once a second, and never goes back in the released view.
#[tokio::test]
async fn progress_is_told_in_passing() {
    let api = TestApi::open().await;
    api.clinic(20.0, 100).await;
    let pool = &api.database.pool;
    let job = submit(&api).await;
    let mut streams = join_all(["released", "custodian"].map(|view| Stream::open(&api, job, view, None))).await;
    let lease = claim(pool).await;
    let began = std::time::Instant::now();
    for step in [1, 2, 3, 4, 5, 4, 3, 2, 6, 7, 8, 9] {
        at(pool, lease, "measure", step).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    store::fail(pool, lease, "worker_error").await.expect("failed");
    let most = began.elapsed().as_secs_f64() + 2.0;
    for stream in &mut streams {
        let mut steps = Vec::new();
        while let Some(event) = stream.next().await {
            assert_eq!(event.id.is_none(), event.name == "progress");
            if event.name == "progress" {
                assert!(event.data["fraction"].as_f64().is_some_and(|fraction| (0.0..0.1).contains(&fraction)));
                steps.push(event.data["step"].as_i64().expect("a step"));
            }
        }
        assert!(!steps.is_empty() && (steps.len() as f64) < most, "{steps:?}");
        assert!(stream.text.is_empty() && steps.windows(2).all(|pair| pair[0] != pair[1]), "{steps:?}");
    }
}

/// Many jobs at once, followed by clients that keep losing their connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_comes_once_to_clients_that_come_and_go() {
    let api = TestApi::open().await;
    api.clinic(20.0, 100).await;
    let pool = &api.database.pool;
    let jobs = join_all((0..repeats(7, 7)).map(|_| submit(&api))).await;
    let work = async {
        for round in 0..repeats(4, 40) {
            while let Some(lease) = any(pool).await {
                at(pool, lease, ["measure", "stage1", "generate"][round % 3], round as i32 % 10).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
                if round % 2 == 0 {
                    lose(pool, lease).await;
                    break;
                }
                store::hand_back(pool, lease, Some(("worker_error", Duration::from_millis(100))))
                    .await
                    .expect("handed back");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for job in &jobs {
            store::cancel(pool, *job).await.expect("asked");
        }
        while let Some(lease) = any(pool).await {
            store::finish_cancelled(pool, lease).await.expect("cancelled");
        }
    };
    let clients = jobs.iter().flat_map(|job| ["released", "custodian"].map(|view| follow(&api, *job, view)));
    let (told, ()) = tokio::join!(join_all(clients), work);
    for (place, told) in told.iter().enumerate() {
        let (job, view) = (jobs[place / 2], ["released", "custodian"][place % 2]);
        let whole = Stream::open(&api, job, view, None).await.rest().await;
        assert_eq!(*told, whole, "{view}");
    }
    let counts: Vec<i64> = sqlx::query_scalar(
        "select count(*) from job_events where job_id = any($1) group by job_id order by array_position($1, job_id)",
    )
    .bind(&jobs)
    .fetch_all(pool)
    .await
    .expect("counts");
    let exact: Vec<i64> = told.iter().skip(1).step_by(2).map(|told| told.len() as i64).collect();
    assert_eq!(exact, counts);
}

/// All events of a job, read over connections that are dropped after every other one.
async fn follow(api: &TestApi, job: Uuid, view: &str) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    loop {
        let last = told.last().and_then(|event| event.id.clone());
        let mut stream = Stream::open(api, job, view, last.as_deref()).await;
        for _ in 0..2 {
            let event = loop {
                match stream.next().await {
                    Some(event) if event.id.is_none() => {}
                    other => break other,
                }
            };
            let Some(event) = event else { break };
            let over = ["succeeded", "failed", "cancelled"].contains(&event.word());
            told.push(event);
            if over {
                return told;
            }
        }
    }
}
