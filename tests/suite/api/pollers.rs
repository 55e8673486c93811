//! R10 at its small size: many clients that ask once a second, few connections to the database.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{TestApi, client, scratch};

const CLIENTS: usize = 200;
const SECONDS: usize = 4;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// 200 clients that poll and 200 that follow: no error, and under 20 connections. `benches/pollers.rs` has the times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_clients_share_a_few_connections() {
    let (api, folder) = (TestApi::open().await, scratch());
    api.clinic(1.0, 100).await;
    let job = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    let mut server = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
        .args(["serve", "--dev", "--bind", "127.0.0.1:0", "--state-dir"])
        .arg(folder.path())
        .current_dir("/")
        .env("DATABASE_URL", &api.database.url)
        .env("DP2STAGE__STORAGE__KEY_FILE", api.storage_key())
        .env("DP2STAGE__WORKERS__LOCAL", "0")
        .env("DP2STAGE__LOG__FILTER", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .map(Server)
        .expect("a server");
    let mut lines = BufReader::new(server.0.stdout.take().expect("piped")).lines();
    let first = lines.next().expect("a line").expect("text");
    let base = first.strip_prefix("dp2stage listens on ").expect("an address").to_owned();
    let url = format!("{base}/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let http = client();
    let poll = async |place: usize| {
        tokio::time::sleep(Duration::from_millis(1000 * place as u64 / CLIENTS as u64)).await;
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let mut tag = String::new();
        for _ in 0..SECONDS {
            clock.tick().await;
            let request =
                if place.is_multiple_of(2) { http.get(&url) } else { http.get(&url).header("if-none-match", &tag) };
            let answer = request.send().await.expect("an answer");
            assert!([200, 304].contains(&answer.status().as_u16()), "{}", answer.status());
            tag = answer.headers()["etag"].to_str().expect("plain").to_owned();
        }
    };
    let follow = async || {
        let mut stream = http.get(format!("{url}/events")).send().await.expect("an answer");
        assert_eq!(stream.status(), 200);
        let mut text = Vec::new();
        while let Some(chunk) = stream.chunk().await.expect("no error") {
            text.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.contains("\"queued\"") && text.contains("\"cancelled\""), "{text}");
    };
    let watch = async || {
        let mut most = 0;
        for _ in 0..SECONDS * 4 {
            let count = "select count(*) from pg_stat_activity
                         where datname = current_database() and application_name = 'dp2stage'";
            let count: i64 = sqlx::query_scalar(count).fetch_one(&api.database.pool).await.expect("a count");
            most = most.max(count);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // All streams end with the job.
        let cancel = api.post(&format!("/v1/jobs/{}/cancel", job["id"].as_str().expect("an id")), &Value::Null).await;
        assert_eq!(cancel.status, 202);
        most
    };
    let (_, _, most) =
        tokio::join!(join_all((0..CLIENTS).map(poll)), join_all((0..CLIENTS).map(|_| follow())), watch());
    assert!((1..20).contains(&most), "{most} connections");
}
