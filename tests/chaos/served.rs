//! A real `dp2stage serve`, as a process.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::{client, clinic};

/// A server. Killed with its handle, and its workers with it.
pub struct Served {
    pub base: String,
    client: reqwest::Client,
    child: Child,
}

/// What a server said: status, `Retry-After`, body; or that it said nothing.
#[derive(Debug)]
pub struct Said {
    pub status: StatusCode,
    pub retry_after: bool,
    pub body: Value,
}

impl Served {
    /// Starts one on a database, over a folder, with these variables, and waits until it listens.
    pub async fn start(url: &str, folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dp2stage"));
        command.args(["serve", "--dev", "--bind", "127.0.0.1:0", "--state-dir"]).arg(folder).current_dir("/");
        command.env("DATABASE_URL", url).env("DP2STAGE__WORKERS__THREADS", "1").env("DP2STAGE__LOG__FILTER", "off");
        command.env("DP2STAGE__WORKERS__MEMORY_BYTES", (4u64 << 30).to_string()).envs(environment.iter().copied());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("a server");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = lines.next_line().await.expect("a line").expect("a line");
        let base = line.split_whitespace().last().expect("an address").to_owned();
        Self { base, client: client(), child }
    }

    /// Asks, and waits for at most 30 s.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Option<Said> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).timeout(Duration::from_secs(30));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().await.ok()?;
        let (status, retry_after) = (response.status(), response.headers().contains_key("retry-after"));
        let body = response.text().await.ok()?;
        Some(Said { status, retry_after, body: serde_json::from_str(&body).unwrap_or_default() })
    }

    pub async fn get(&self, path: &str) -> Option<Said> {
        self.ask(Method::GET, path, None, None).await
    }

    pub async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> Option<Said> {
        self.ask(Method::POST, path, Some(body), key).await
    }

    /// Asks as a client that has little patience; says whether the answer was 200.
    pub async fn is_well(&self, path: &str) -> bool {
        let request = self.client.get(format!("{}{path}", self.base)).timeout(Duration::from_secs(3));
        request.send().await.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// Declares the clinic and uploads rows of it.
    pub async fn clinic(&self, rows: usize) {
        let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": rows,
                              "budget": {"epsilon": 8.0, "delta": 1e-6}});
        assert_eq!(self.post("/v1/datasets", &declared, None).await.expect("an answer").status, StatusCode::CREATED);
        let mut csv = String::from("age,ward,ill\n");
        for i in 0..rows {
            csv += &format!("{},{},{}\n", 18 + i * 31 % 80, ["a", "b", "c"][i * 7 % 3], ["no", "yes"][i % 2]);
        }
        let request =
            self.client.put(format!("{}/v1/datasets/clinic/rows", self.base)).header("content-type", "text/csv");
        assert_eq!(request.body(csv).send().await.expect("an answer").status(), StatusCode::CREATED);
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) {
        tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.expect("it ends").expect("a status");
    }
}
