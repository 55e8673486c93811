//! How many jobs a second a server takes, keys and all: `cargo bench --bench submissions -- [JOBS] [AT A TIME]`.
//!
//! The jobs cost nothing and are planned quickly, so that what is around them shows: authentication, limits, the audit
//! log. `DP2STAGE_PROGRAM` names another build, to compare. Prints a line of JSON.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dp2stage::store::embedded::{Cluster, ClusterConfig, Places};
use serde_json::json;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A new server without workers: its handle, where it is, and its admin key.
fn start(url: &str, folder: &std::path::Path) -> Result<(Server, String, String), Failure> {
    let other = std::env::var("DP2STAGE_PROGRAM").ok();
    let mut command = Command::new(other.as_deref().unwrap_or(env!("CARGO_BIN_EXE_dp2stage")));
    command.args(["serve", "--bind", "127.0.0.1:0", "--state-dir"]).arg(folder).current_dir("/");
    command.env("DATABASE_URL", url).env("DP2STAGE__WORKERS__LOCAL", "0").env("DP2STAGE__LOG__FILTER", "warn");
    command.env("DP2STAGE__QUEUE__QUEUED", "0").env("DP2STAGE__QUEUE__QUEUED_PER_TENANT", "0");
    if other.is_none() {
        command.env("DP2STAGE__LIMITS__WRITES_PER_MINUTE", "0").env("DP2STAGE__LIMITS__READS_PER_MINUTE", "0");
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut line = || -> Result<String, Failure> {
        let line = lines.next().ok_or("no line")??;
        Ok(line.rsplit(' ').next().ok_or("an empty line")?.to_owned())
    };
    let (base, key) = (line()?, line()?);
    Ok((Server(child), base, key))
}

async fn run(jobs: usize, at_a_time: usize) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("dp2stage-bench-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
    let config =
        ClusterConfig { places: Places::of_this_machine(None), ..ClusterConfig::new(folder.path().join("pg")) };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&config)).await??;
    let (server, base, key) = start(&cluster.url(), &folder.path().join("state"))?;
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {key}").parse()?);
    let http = reqwest::Client::builder().no_proxy().default_headers(headers).build()?;
    let schema = json!({"columns": [{"name": "age", "type": "integer", "min": 18, "max": 99}]});
    let declared = json!({"name": "open", "schema": schema, "rows_public": 100, "access": "public"});
    http.post(format!("{base}/v1/datasets")).json(&declared).send().await?.error_for_status()?;
    let put = http.put(format!("{base}/v1/datasets/open/rows")).header("content-type", "text/csv");
    put.body("age\n20\n30\n40\n").send().await?.error_for_status()?;
    let job = json!({"dataset": "open", "epsilon": 1.0, "method": {"stage1": "non_private", "stage2": "none"}});
    let submit = async |count: usize| -> Result<Vec<f64>, Failure> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            http.post(format!("{base}/v1/jobs")).json(&job).send().await?.error_for_status()?.bytes().await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        Ok(times)
    };
    submit(50).await?;
    let began = Instant::now();
    let all = futures_util::future::join_all((0..at_a_time).map(|_| submit(jobs / at_a_time))).await;
    let seconds = began.elapsed().as_secs_f64();
    let mut times: Vec<f64> = all.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        times.get((times.len() as f64 * share) as usize).map_or(f64::NAN, |time| (time * 100.0).round() / 100.0)
    };
    let rate = (times.len() as f64 / seconds).round();
    println!(
        "{}",
        json!({"jobs": times.len(), "at_a_time": at_a_time, "jobs_a_second": rate, "p50_ms": at(0.5), "p99_ms": at(0.99)})
    );
    drop(server);
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::task::spawn_blocking(move || cluster.stop()).await?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |place: usize, usual: usize| arguments.get(place).copied().unwrap_or(usual);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(number(0, 2000), number(1, 16)))
}
