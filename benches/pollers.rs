//! What polling costs: clients that ask for a job once a second each, beside a table of finished ones, and clients
//! that follow a stream of events. A real server process, a real database, keys and all:
//! `cargo bench --bench pollers -- [CLIENTS] [SECONDS] [JOBS]`.
//!
//! Prints a line of JSON for each kind of client: latencies in milliseconds, errors, and the most connections to the
//! database that were seen.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dp2stage::http::issue;
use dp2stage::store::embedded::{Cluster, ClusterConfig, Places};
use dp2stage::store::{self, Role};
use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Server(Child, String);

impl Server {
    fn start(url: &str, folder: &std::path::Path) -> Result<Self, Failure> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
            .args(["serve", "--bind", "127.0.0.1:0", "--state-dir"])
            .arg(folder)
            .current_dir("/")
            .env("DATABASE_URL", url)
            .env("DP2STAGE__WORKERS__LOCAL", "0")
            .env("DP2STAGE__LOG__FILTER", "warn")
            .env("DP2STAGE__LIMITS__READS_PER_MINUTE", "0")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let first = lines.next().ok_or("no line")??;
        Ok(Self(child, first.strip_prefix("dp2stage listens on ").ok_or("no address")?.to_owned()))
    }

    /// A figure of /proc/PID/status in MiB.
    fn memory(&self, field: &str) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such figure")?;
        Ok(line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>()? >> 10)
    }

    /// Seconds of processor time so far.
    fn cpu(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        Ok((ticks(11) + ticks(12)) / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client of its own for everyone would be a thousand pools: one hands out a connection to each.
fn client(token: &str) -> Result<reqwest::Client, Failure> {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse()?);
    let builder = reqwest::Client::builder().no_proxy().default_headers(headers).timeout(Duration::from_secs(20));
    Ok(builder.pool_max_idle_per_host(usize::MAX).build()?)
}

/// A dataset, a job that was planned by the server itself, and `jobs` finished and `running` running copies of it.
async fn fill(
    pool: &PgPool,
    http: &reqwest::Client,
    base: &str,
    jobs: i32,
    running: i32,
) -> Result<Vec<Uuid>, Failure> {
    let schema = json!({"target": "ill", "columns": [
        {"name": "age", "type": "integer", "min": 18, "max": 99},
        {"name": "ward", "type": "categorical", "categories": ["a", "b", "c"]},
        {"name": "ill", "type": "categorical", "categories": ["no", "yes"]}]});
    let declared = json!({"name": "ward", "schema": schema, "rows_public": 3000,
                          "budget": {"epsilon": 3.0, "delta": 1e-6}});
    let good = |answer: reqwest::Response| answer.error_for_status();
    good(http.post(format!("{base}/v1/datasets")).json(&declared).send().await?)?;
    let rows = format!("age,ward,ill\n{}", "20,a,no\n".repeat(3000));
    let put = http.put(format!("{base}/v1/datasets/ward/rows")).header("content-type", "text/csv").body(rows);
    good(put.send().await?)?;
    let job = json!({"dataset": "ward", "epsilon": 1.0});
    good(http.post(format!("{base}/v1/jobs")).json(&job).send().await?)?;
    let copy = "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta, price,
                    blocks_allowed, status, stage, step, steps, attempts, started_at, finished_at, lease_expires_at)
                select gen_random_uuid(), dataset_id, dataset_version, population_id, request, plan, epsilon, delta,
                    price, blocks_allowed, case when i > $2 then 'succeeded' else 'running' end, 'stage1', 5, 100, 1,
                    now(), case when i > $2 then now() end, case when i > $2 then null else now() + interval '1 day' end
                from (select * from jobs where status = 'queued' limit 1) job, generate_series(1, $1 + $2) i";
    sqlx::query(copy).bind(jobs).bind(running).execute(pool).await?;
    // As in a table that has been there for a while.
    sqlx::query("vacuum analyze").execute(pool).await?;
    sqlx::query("checkpoint").execute(pool).await?;
    Ok(sqlx::query_scalar("select id from jobs where status = 'running'").fetch_all(pool).await?)
}

/// Looks every now and then how many connections the server has.
async fn count_connections(pool: PgPool, most: Arc<AtomicUsize>, done: Arc<AtomicBool>) -> Result<(), Failure> {
    while !done.load(Ordering::Relaxed) {
        let count = "select count(*) from pg_stat_activity where application_name = 'dp2stage'";
        most.fetch_max(sqlx::query_scalar::<_, i64>(count).fetch_one(&pool).await? as usize, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// One that asks once a second. Gives latencies, and how often the answer was another than 200 or 304.
async fn poll(http: reqwest::Client, url: String, tags: bool, (late, until): (Duration, Instant)) -> (Vec<f64>, usize) {
    let (mut latencies, mut errors, mut tag) = (Vec::new(), 0, None);
    tokio::time::sleep(late).await;
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    while Instant::now() < until {
        clock.tick().await;
        let mut request = http.get(&url);
        if let Some(tag) = tag.as_ref().filter(|_| tags) {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let began = Instant::now();
        let answer = request.send().await;
        let good = match answer {
            Ok(answer) if matches!(answer.status().as_u16(), 200 | 304) => {
                tag = answer.headers().get(ETAG).cloned();
                answer.bytes().await.is_ok()
            }
            _ => false,
        };
        latencies.push(began.elapsed().as_secs_f64() * 1e3);
        errors += usize::from(!good);
    }
    (latencies, errors)
}

/// One that follows a job that runs; gives the times at which events with an id came, and whether it broke off.
async fn follow(http: reqwest::Client, url: String, until: Instant) -> (Vec<Instant>, usize) {
    let mut came = Vec::new();
    let Ok(mut answer) = http.get(&url).timeout(Duration::from_secs(600)).send().await else { return (came, 1) };
    if answer.status() != 200 {
        return (came, 1);
    }
    loop {
        match tokio::time::timeout_at(until.into(), answer.chunk()).await {
            Err(_) => return (came, 0),
            Ok(Ok(Some(chunk))) => {
                let events = chunk.windows(4).filter(|four| *four == b"id: ").count();
                came.extend(std::iter::repeat_n(Instant::now(), events));
            }
            Ok(_) => return (came, 1),
        }
    }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = ((sorted.len() as f64 - 1.0) * q).round();
    sorted.get(at as usize).map_or(f64::NAN, |value| (value * 100.0).round() / 100.0)
}

/// A server with its key and jobs.
struct House {
    pool: PgPool,
    server: Server,
    http: reqwest::Client,
    finished: Vec<Uuid>,
    running: Vec<Uuid>,
}

/// What was seen while something ran.
struct Watch {
    most: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
    counter: tokio::task::JoinHandle<Result<(), Failure>>,
    cpu: f64,
}

impl House {
    async fn new(cluster: &Cluster, folder: &std::path::Path, clients: usize, jobs: i32) -> Result<Self, Failure> {
        let pool = PgPoolOptions::new().max_connections(4).connect_with(cluster.connect_options()).await?;
        store::migrate(&pool).await?;
        let key = issue(Role::Custodian)?;
        store::insert_key(&pool, &key.stored).await?;
        let server = Server::start(&cluster.url(), folder)?;
        let http = client(&key.token)?;
        let running = fill(&pool, &http, &server.1, jobs, clients as i32).await?;
        let finished = sqlx::query_scalar("select id from jobs where status = 'succeeded' limit $1");
        let finished = finished.bind(clients as i64).fetch_all(&pool).await?;
        Ok(Self { pool, server, http, finished, running })
    }

    fn watch(&self) -> Result<Watch, Failure> {
        let (most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let counter = tokio::spawn(count_connections(self.pool.clone(), most.clone(), done.clone()));
        Ok(Watch { most, done, counter, cpu: self.server.cpu()? })
    }

    async fn say(&self, watch: Watch, kind: &str, mut latencies: Vec<f64>, errors: usize) -> Result<(), Failure> {
        watch.done.store(true, Ordering::Relaxed);
        watch.counter.await??;
        latencies.sort_by(f64::total_cmp);
        let cpu = ((self.server.cpu()? - watch.cpu) * 100.0).round() / 100.0;
        let line = json!({"clients": kind, "answers": latencies.len(), "p50_ms": quantile(&latencies, 0.5),
            "p99_ms": quantile(&latencies, 0.99), "max_ms": quantile(&latencies, 1.0), "errors": errors,
            "connections": watch.most.load(Ordering::Relaxed), "server_cpu_seconds": cpu,
            "server_peak_mib": self.server.memory("VmHWM")?});
        println!("{line}");
        Ok(())
    }

    /// Half of the clients ask for a job that runs.
    async fn polled(&self, kind: &str, tags: bool, (clients, seconds): (usize, u64)) -> Result<(), Failure> {
        let watch = self.watch()?;
        let until = Instant::now() + Duration::from_secs(seconds);
        let everyone = (0..clients).map(|place| {
            let late = Duration::from_secs_f64(place as f64 / clients as f64);
            let job = if place.is_multiple_of(2) { self.running[place] } else { self.finished[place] };
            tokio::spawn(poll(self.http.clone(), format!("{}/v1/jobs/{job}", self.server.1), tags, (late, until)))
        });
        let (mut latencies, mut errors) = (Vec::new(), 0);
        for told in futures_util::future::join_all(everyone).await {
            let (more, failed) = told?;
            latencies.extend(more);
            errors += failed;
        }
        self.say(watch, kind, latencies, errors).await
    }

    /// Each client follows a job; one job after the other ends, twenty a second.
    async fn followed(&self, (clients, seconds): (usize, u64)) -> Result<(), Failure> {
        let watch = self.watch()?;
        let until = Instant::now() + Duration::from_secs(seconds);
        let url = |job: &Uuid| format!("{}/v1/jobs/{job}/events", self.server.1);
        let streams: Vec<_> = self
            .running
            .iter()
            .take(clients)
            .map(|job| tokio::spawn(follow(self.http.clone(), url(job), until)))
            .collect();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let mut ended = Vec::new();
        for job in self.running.iter().take((seconds.saturating_sub(8) * 20) as usize) {
            let end = "update jobs set status = 'failed', error = 'x', finished_at = now(), lease_expires_at = null
                       where id = $1";
            sqlx::query(end).bind(job).execute(&self.pool).await?;
            ended.push(Instant::now());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (mut delays, mut errors) = (Vec::new(), 0);
        for (place, told) in futures_util::future::join_all(streams).await.into_iter().enumerate() {
            let (came, broken) = told?;
            match (ended.get(place), came.last()) {
                // The stream of a job that has ended is over.
                (Some(end), Some(last)) => delays.push(last.saturating_duration_since(*end).as_secs_f64() * 1e3),
                (Some(_), None) => errors += 1,
                (None, _) => errors += broken,
            }
        }
        self.say(watch, "event streams, from commit to arrival", delays, errors).await
    }
}

async fn run(clients: usize, seconds: u64, jobs: i32) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("dp2stage-bench-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
    let config =
        ClusterConfig { places: Places::of_this_machine(None), ..ClusterConfig::new(folder.path().join("pg")) };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&config)).await??;
    let house = House::new(&cluster, &folder.path().join("state"), clients, jobs).await?;
    let size = (clients, seconds);
    house.polled("GET once a second: the first seconds of the server", false, (clients, 5)).await?;
    house.polled("GET once a second", false, size).await?;
    house.polled("GET with If-None-Match once a second", true, size).await?;
    house.followed(size).await?;
    let House { pool, server, .. } = house;
    drop(server);
    pool.close().await;
    tokio::task::spawn_blocking(move || cluster.stop()).await?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let number = |place: usize, usual: u64| arguments.get(place).copied().unwrap_or(usual);
    // The server has the other core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(number(0, 1000) as usize, number(1, 30), number(2, 100_000) as i32))
}
