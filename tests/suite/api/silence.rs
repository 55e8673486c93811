//! P7: nothing of a private table is in anything that the program says. A thousand cells that stand nowhere else go in, in
//! good rows and in bad ones; jobs succeed, fail, panic and are cancelled; and all that comes out is searched.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::webhooks::receiver::{Receiver, SECRET};
use crate::support::{Server, TestDatabase, client, dice, figure, fresh_database, scratch};
use crate::tabular::corpus::gzip;

/// Every canary that is text begins so; nothing else does.
const MARK: &str = "zq9";
/// Persons, each a canary.
const PERSONS: usize = 400;
/// Rows with an amount that is a canary.
const AMOUNTS: usize = 300;
/// Bad cells that are canaries.
const BAD: usize = 300;

/// The program as a service with keys and a worker, and everything that it and its clients were told.
struct House {
    child: Child,
    base: String,
    client: reqwest::Client,
    folder: tempfile::TempDir,
    database: TestDatabase,
    /// Admin, custodian, analyst.
    keys: Vec<String>,
    /// Where it came from, and what it was: heads and bodies of all answers.
    heard: Vec<(String, String)>,
}

impl House {
    async fn new(receiver: &Receiver) -> Self {
        let (database, folder) = (fresh_database().await, scratch());
        let file = |name: &str| File::create(folder.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
            .args(["serve", "--bind", "127.0.0.1:0", "--state-dir"])
            .arg(folder.path().join("state"))
            .current_dir("/")
            .env("DATABASE_URL", &database.url)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("DP2STAGE__WORKERS__LOCAL", "1")
            .env("DP2STAGE__WORKERS__THREADS", "1")
            .env("DP2STAGE__WORKERS__MEMORY_BYTES", (4u64 << 30).to_string())
            .env("DP2STAGE__QUEUE__POLL_SECONDS", "0.2")
            .env("DP2STAGE__QUEUE__BACKOFF_SECONDS", "0.1")
            .env("DP2STAGE__QUEUE__MAX_ATTEMPTS", "2")
            .env("DP2STAGE__LIMITS__READS_PER_MINUTE", "0")
            .env("DP2STAGE__LIMITS__WRITES_PER_MINUTE", "0")
            .env("DP2STAGE__LIMITS__FAILURES_PER_MINUTE", "0")
            .env("DP2STAGE__WEBHOOKS__ENABLED", "true")
            .env("DP2STAGE__WEBHOOKS__ALLOW", format!("[\"{}\"]", receiver.place))
            .env("DP2STAGE__WEBHOOKS__SECRET", SECRET)
            // A worker that panics once when it publishes, and a server that does with the fourth submission.
            .env(
                "FAILPOINTS",
                format!("artifact.before=1*panic({MARK}w)->off;submit.before=3*off->1*panic({MARK}s)->off"),
            )
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let began = Instant::now();
        let said = || std::fs::read_to_string(folder.path().join("stdout")).unwrap();
        while said().matches('\n').count() < 2 {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (said, state) = (said(), folder.path().join("state"));
        let mut words = said.lines().filter_map(|line| line.split_whitespace().last());
        let (base, admin) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let key = |role: &str| {
            let made = Server::command(&database.url, &state, &["key", "create", "--role", role]);
            String::from_utf8(made.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
        };
        let keys = vec![admin, key("custodian"), key("analyst")];
        Self { child, base, client: client(), folder, database, keys, heard: Vec::new() }
    }

    fn request(&self, key: usize, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.keys[key])
    }

    /// Sends, and keeps what was heard.
    async fn hear(&mut self, what: &str, request: RequestBuilder) -> (u16, Value) {
        // Streams that do not end by themselves are heard for a while.
        let Ok(answer) = request.timeout(Duration::from_secs(20)).send().await else {
            // A server that refuses at once may close before all was sent; then nothing was told.
            return (400, Value::Null);
        };
        let (status, head) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let body = answer.bytes().await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        let json = serde_json::from_str(&text).unwrap_or_default();
        self.heard.push((format!("{what} {status}"), head + &text));
        (status, json)
    }

    async fn submit(&mut self, dataset: &str, body: &Value, receiver: &Receiver) -> (u16, String) {
        let mut body = body.clone();
        body["dataset"] = json!(dataset);
        body["webhook"] = json!(receiver.url());
        let request = self.request(1, Method::POST, "/v1/jobs").json(&body);
        let (status, job) = self.hear("submit", request).await;
        (status, job["id"].as_str().unwrap_or_default().to_owned())
    }

    async fn ended(&mut self, job: &str) -> String {
        let began = Instant::now();
        loop {
            let request = self.request(1, Method::GET, &format!("/v1/jobs/{job}?wait=10"));
            let (_, told) = self.hear("wait", request).await;
            if told["finished_at"].is_string() {
                return told["status"].as_str().unwrap().to_owned();
            }
            assert!(began.elapsed() < Duration::from_secs(180), "{told}");
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text that stands nowhere else.
fn word(rng: &mut ChaCha8Rng) -> String {
    format!("{MARK}{:012x}", rng.random_range(0..1u64 << 48))
}

/// A number that stands nowhere else: it is looked for with its seven digits before the point and its three behind.
fn amount(rng: &mut ChaCha8Rng) -> String {
    format!("{}.{:03}", rng.random_range(1_000_000..4_000_000), rng.random_range(1..1000))
}

/// Amounts in a text, whole ones only.
fn amounts(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|word| word.len() == 11 && word.as_bytes()[7] == b'.')
}

fn declared(name: &str) -> Value {
    json!({"name": name, "rows_public": 2 * PERSONS, "budget": {"epsilon": 20.0, "delta": 1e-6},
           "privacy_unit": {"kind": "person", "column": "patient", "max_rows": 2},
           "schema": {"columns": [
               {"name": "amount", "type": "number", "min": 0, "max": 4_000_000, "step": 0.001},
               {"name": "ward", "type": "categorical", "categories": ["a", "b", "c"]},
               {"name": "seen", "type": "datetime", "min": "2020-01-01", "max": "2026-12-31"},
               {"name": "ill", "type": "categorical", "categories": ["no", "yes"]}], "target": "ill"}})
}

const HEADER: &str = "patient,amount,ward,seen,ill";

/// A good table of canaries, and the amounts in it.
fn table(rng: &mut ChaCha8Rng) -> (String, HashSet<String>) {
    let (mut text, mut known) = (format!("{HEADER}\n"), HashSet::new());
    for i in 0..2 * PERSONS {
        let (person, amount) = (format!("{MARK}p{:06}", i % PERSONS * 7919), amount(rng));
        let amount = if i < AMOUNTS { amount } else { "17.5".into() };
        text +=
            &format!("{person},{amount},{},2024-0{}-11,{}\n", ["a", "b", "c"][i % 3], 1 + i % 9, ["no", "yes"][i % 2]);
        if i < AMOUNTS {
            known.insert(amount);
        }
    }
    (text, known)
}

/// Bad tables, each with a canary at its fault and good ones around it.
fn bad_tables(rng: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for i in 0..BAD {
        let bad = word(rng);
        let mut cells = [word(rng), "17.5".into(), "a".into(), "2024-05-01".into(), "yes".into()];
        let mut header = HEADER.to_owned();
        let mut more = String::new();
        match i % 12 {
            0..=3 => cells[1 + i % 4] = bad.clone(),
            4 => cells[2] = format!("\"{bad}\"x"),
            5 => cells[3] = format!("\"{bad}"),
            6 => cells[0] = format!("{bad}\0"),
            7 => more = format!(",{bad}"),
            8 => header = format!("{bad},amount,ward,seen,ill"),
            9 => header = format!("{bad};{bad}"),
            10 => cells[1] = bad.repeat(400),
            _ => header = format!("{HEADER},{bad}"),
        }
        let mut body = format!("{header}\n{}{more}\n", cells.join(",")).into_bytes();
        if i % 24 == 6 {
            body.splice(body.len() - 8..body.len() - 7, [0xe9]);
        }
        all.push(if i % 5 == 0 { gzip(&body) } else { body });
    }
    all
}

/// Bad uploads of every kind, and rows that somebody sent to the wrong place.
async fn refusals(house: &mut House, rng: &mut ChaCha8Rng) {
    for (i, body) in bad_tables(rng).into_iter().enumerate() {
        let path = if i % 10 == 9 { "/v1/datasets/nobody/rows" } else { "/v1/datasets/house/rows" };
        let mut request = house.request(1, Method::PUT, path).body(body);
        request = request.header("content-type", if i % 50 == 49 { "text/plain" } else { "text/csv" });
        if i % 5 == 0 {
            request = request.header("content-encoding", "gzip");
        }
        let (status, _) = house.hear("upload", request).await;
        assert!((400..500).contains(&status), "{:?}", house.heard.last());
    }
    let (rows, _) = table(rng);
    let as_json = json!([{"patient": word(rng), "amount": amount(rng), "ward": word(rng)}]);
    let routes =
        ["/v1/datasets", "/v1/jobs", "/v1/estimates", "/v1/datasets/house/budget", "/v1/datasets/house/rows", "/"];
    for (path, method) in routes.iter().flat_map(|path| [(path, Method::POST), (path, Method::PUT)]) {
        for body in [rows.clone(), as_json.to_string(), as_json[0].to_string(), format!("\"{}\"", word(rng))] {
            for (role, kind) in [(1, "application/json"), (2, "text/csv"), (1, "multipart/form-data; boundary=x")] {
                let request = house.request(role, method.clone(), path).header("content-type", kind).body(body.clone());
                let (status, _) = house.hear(&format!("{method} {path} {kind}"), request).await;
                assert!((400..500).contains(&status), "{:?}", house.heard.last());
            }
        }
    }
}

/// Asks every route of the contract that reads, for everything there is, as everybody.
async fn read_all(house: &mut House, jobs: &[String]) {
    let contract = house.request(0, Method::GET, "/openapi.json");
    let (_, contract) = house.hear("contract", contract).await;
    let routes: Vec<String> = contract["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, route)| route["get"].is_object())
        .map(|(path, _)| path.clone())
        .collect();
    assert!(routes.len() > 15, "{routes:?}");
    for route in routes {
        let paths: Vec<String> = if route.contains("{job}") {
            jobs.iter().map(|job| route.replace("{job}", job)).collect()
        } else {
            vec![route.replace("{dataset}", "house")]
        };
        for path in paths {
            for (role, accept) in [(0, "application/json"), (1, "text/html"), (2, "application/json"), (2, "text/html")]
            {
                let request = house.request(role, Method::GET, &path).header("accept", accept);
                house.hear(&format!("{path} as {}", ["admin", "custodian", "analyst"][role]), request).await;
            }
        }
    }
}

/// Spoils the rows that are stored, so that the next job on them fails.
async fn spoil(house: &House) {
    let blobs: Vec<String> =
        sqlx::query_scalar("select blob from dataset_versions").fetch_all(&house.database.pool).await.unwrap();
    for blob in blobs {
        let path = house.folder.path().join("state/blobs").join(blob);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_private_is_said() {
    let receiver = Receiver::start(&[204]).await;
    let mut house = House::new(&receiver).await;
    let mut rng = dice("silence");
    let request = house.request(1, Method::POST, "/v1/datasets").json(&declared("house"));
    assert_eq!(house.hear("declare", request).await.0, 201);
    refusals(&mut house, &mut rng).await;
    let (rows, known) = table(&mut rng);
    let upload = house.request(1, Method::PUT, "/v1/datasets/house/rows").header("content-type", "text/csv").body(rows);
    assert_eq!(house.hear("upload", upload).await.0, 201);

    let quick = json!({"epsilon": 1.0, "rows": 60, "training": {"steps": 20}});
    let drawn = json!({"epsilon": 1.0, "rows": 60, "method": {"generator": "distribution"}});
    let endless = json!({"epsilon": 1.0, "rows": 60, "method": {"stage1": "uniform"}, "training": {"steps": 20_000}});
    let mut jobs = Vec::new();
    for (body, expected) in [(&quick, "succeeded"), (&drawn, "succeeded"), (&endless, "cancelled")] {
        let (status, job) = house.submit("house", body, &receiver).await;
        assert_eq!(status, 202, "{:?}", house.heard.last());
        if expected == "cancelled" {
            let request = house.request(1, Method::POST, &format!("/v1/jobs/{job}/cancel"));
            house.hear("cancel", request).await;
        }
        assert_eq!(house.ended(&job).await, expected);
        jobs.push(job);
    }
    assert_eq!(house.submit("house", &quick, &receiver).await.0, 500, "the server's panic");
    spoil(&house).await;
    let (status, job) = house.submit("house", &quick, &receiver).await;
    assert_eq!(status, 202, "{:?}", house.heard.last());
    assert_eq!(house.ended(&job).await, "failed");
    jobs.push(job);
    receiver.wait_for(jobs.len()).await;
    read_all(&mut house, &jobs).await;
    for job in &jobs {
        let request = house.request(2, Method::POST, &format!("/v1/jobs/{job}/samples"));
        house.hear("samples", request.json(&json!({"rows": 20}))).await;
    }
    let request = house.request(1, Method::DELETE, "/v1/datasets/house");
    house.hear("delete", request).await;

    let panics = searched(&house, &receiver, &known);
    assert!(panics >= 2, "the server and the worker panicked: {panics}");
}

/// Searches all that was said; gives how many threads panicked.
fn searched(house: &House, receiver: &Receiver, known: &HashSet<String>) -> usize {
    let mut said = house.heard.clone();
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let log = read(&house.folder.path().join("stderr"));
    said.push(("standard output".into(), read(&house.folder.path().join("stdout"))));
    said.push(("standard error".into(), log.clone()));
    said.extend(receiver.received().iter().map(|message| ("a webhook".into(), format!("{message:?}"))));
    let (mut texts, mut numbers) = (0, 0);
    for (what, text) in &said {
        if let Some(at) = text.find(MARK) {
            texts += 1;
            let from = text.floor_char_boundary(at.saturating_sub(100));
            println!("{what}: ...{}", &text[from..text.ceil_char_boundary(at + 20)]);
        }
        // A row that was drawn may have any value of the declaration; which, is a matter of chance and noise.
        let drawn = what.contains("/synthetic") || what.starts_with("samples");
        let found = amounts(text).filter(|amount| known.contains(*amount)).count();
        // Exact reports are the custodian's: they tell the smallest and the largest value of a column.
        let exact = what.contains("/report as") && !what.contains("analyst");
        if found > 0 && !drawn && !exact {
            numbers += found;
            println!("{what}: {found} amounts");
        }
    }
    let bytes: usize = said.iter().map(|(_, text)| text.len()).sum();
    let cells = PERSONS + AMOUNTS + BAD;
    let done = format!("canary cells x {} answers, messages and logs ({} KiB)", said.len(), bytes >> 10);
    figure("P7", (cells, done.as_str()), &[(texts, "texts told"), (numbers, "amounts told")]);
    log.matches("a thread panicked").count()
}
