//! What one PostgreSQL carries: claims beside a long history, and a fleet of workers with jobs that do nothing.
//!
//! `cargo bench --bench queue -- [--history N] [--jobs N] [--workers N] [--connections N] [--datasets N]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use dp2stage::privacy::{Grant, UnitKind, Work, price};
use dp2stage::store::embedded::{Cluster, ClusterConfig};
use dp2stage::store::{
    self, Allowance, Blob, Claimant, Dataset, NewBudget, NewDataset, NewJob, Patience, Presence, QueueRoom, Version,
};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Semaphore;
use uuid::Uuid;

#[derive(Debug, Parser)]
struct Arguments {
    /// Finished jobs that are there before.
    #[arg(long, default_value_t = 100_000)]
    history: i32,
    /// Jobs that wait.
    #[arg(long, default_value_t = 20_000)]
    jobs: i32,
    /// Workers that take them.
    #[arg(long, default_value_t = 1_000)]
    workers: usize,
    /// Connections that they share.
    #[arg(long, default_value_t = 48)]
    connections: u32,
    /// Datasets over which jobs are spread.
    #[arg(long, default_value_t = 50)]
    datasets: i32,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

const PATIENCE: Patience = Patience { max_attempts: 4, backoff: Duration::from_secs(30) };
const TTL: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let state = tempfile::Builder::new().prefix("dp2stage-bench-").tempdir()?;
    // PostgreSQL, which does not run as root, has to get there.
    std::fs::set_permissions(state.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
    let settings = ClusterConfig { max_connections: 200, ..ClusterConfig::new(state.path().join("state")) };
    let cluster = Cluster::start(&settings)?;
    let result = tokio::runtime::Runtime::new()?.block_on(run(&cluster, &arguments));
    cluster.stop();
    result
}

async fn run(cluster: &Cluster, arguments: &Arguments) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new()
        .max_connections(arguments.connections)
        .acquire_timeout(Duration::from_secs(600))
        .connect_with(cluster.connect_options())
        .await?;
    store::migrate(&pool).await?;
    let filled = Instant::now();
    fill(&pool, arguments).await?;
    println!("{arguments:?}: filled in {:?}", filled.elapsed());
    let gate = Arc::new(Semaphore::new(arguments.connections as usize));
    let heartbeats = tokio::spawn(signs_of_life(pool.clone(), arguments.workers));
    let began = Instant::now();
    let workers = (0..arguments.workers).map(|i| tokio::spawn(work(pool.clone(), gate.clone(), format!("worker-{i}"))));
    let (mut claims, mut ends) = (Vec::new(), Vec::new());
    for worker in workers.collect::<Vec<_>>() {
        let (claimed, ended) = worker.await??;
        claims.extend(claimed);
        ends.extend(ended);
    }
    let wall = began.elapsed().as_secs_f64();
    println!("jobs claimed and finished: {}, {:.0} a second", ends.len(), ends.len() as f64 / wall);
    say("look for lost jobs and claim", claims);
    say("finish", ends);
    say("an idle worker asks", idle(&pool, &gate, arguments.workers).await?);
    heartbeats.abort();
    Ok(())
}

/// One job through the front door, then copies of it.
async fn fill(pool: &PgPool, arguments: &Arguments) -> anyhow::Result<()> {
    let mut datasets: Vec<Dataset> = Vec::new();
    for _ in 0..arguments.datasets {
        let grant = Grant { epsilon: 1.0.try_into()?, delta: 1e-6.try_into()? };
        let allowance = Allowance::Granted(NewBudget { grant, unit: UnitKind::Row, units_public: 100 });
        let name = Uuid::now_v7().to_string();
        let (schema, holdout) = (json!({}), 0.0);
        let new = NewDataset {
            name,
            schema,
            public: true,
            rows_public: 100,
            persons: None,
            holdout,
            keep: store::Keep::default(),
            allowance,
        };
        let dataset = store::create_dataset(pool, &new).await?;
        let at = time::OffsetDateTime::UNIX_EPOCH;
        let version =
            Version { version: 0, rows: 1, bytes: 1, sha256: String::new(), blob: Blob::plain("b"), created_at: at };
        store::add_version(pool, dataset.id, &version).await?;
        datasets.push(dataset);
    }
    let first = &datasets[0];
    let account = store::population(pool, first.population_id).await?.account;
    let job = NewJob {
        dataset_id: first.id,
        population_id: first.population_id,
        request: json!({"dataset": first.name, "epsilon": 1.0, "method": {"stage1": "non_private"}}),
        plan: json!({"text": "x".repeat(1500)}),
        planned: account.grant,
        public_table: None,
        work: Work::nothing(),
        facts: json!({}),
        price: price(&account, &Work::nothing())?,
        priced_on: account,
        priority: 0,
        room: QueueRoom::ENDLESS,
    };
    let template = store::submit(pool, &job, None).await?.job_id;
    let ids: Vec<Uuid> = datasets.iter().map(|d| d.id).collect();
    // A million notifications in one transaction are nothing that would ever happen.
    sqlx::query("alter table jobs disable trigger user").execute(pool).await?;
    for (count, status) in [(arguments.history, "succeeded"), (arguments.jobs - 1, "queued")] {
        let copy = "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta,
                        price, blocks_allowed, status, finished_at, created_at, tenant)
                    select gen_random_uuid(), d.id, 1, d.population_id, j.request, j.plan, j.epsilon, j.delta, j.price, 0,
                        $3, case $3 when 'succeeded' then now() end, now() + i * interval '1 microsecond',
                        'tenant-' || i % 7
                    from jobs j, generate_series(1, $2) i join datasets d on d.id = ($4::uuid[])[1 + i % $5]
                    where j.id = $1";
        let copy = sqlx::query(copy).bind(template).bind(count).bind(status).bind(&ids).bind(ids.len() as i32);
        copy.execute(pool).await?;
    }
    sqlx::query("alter table jobs enable trigger user").execute(pool).await?;
    sqlx::query("vacuum analyze jobs").execute(pool).await?;
    Ok(())
}

/// Claims and finishes until nothing is left; the times of both in milliseconds.
async fn work(pool: PgPool, gate: Arc<Semaphore>, name: String) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut claims, mut ends) = (Vec::new(), Vec::new());
    loop {
        let turn = gate.acquire().await?;
        let began = Instant::now();
        store::rescue(&pool, PATIENCE).await?;
        let claimant = Claimant { worker: &name, place: None, per_dataset: 0 };
        let Some(claimed) = store::claim(&pool, claimant, TTL).await? else { return Ok((claims, ends)) };
        claims.push(began.elapsed().as_secs_f64() * 1e3);
        drop(turn);
        tokio::task::yield_now().await;
        let _turn = gate.acquire().await?;
        let began = Instant::now();
        store::finish(&pool, claimed.lease, &[]).await?;
        ends.push(began.elapsed().as_secs_f64() * 1e3);
    }
}

/// Every worker looks every five seconds, for twenty seconds.
async fn idle(pool: &PgPool, gate: &Arc<Semaphore>, workers: usize) -> anyhow::Result<Vec<f64>> {
    let tasks = (0..workers).map(|i| {
        let (pool, gate) = (pool.clone(), gate.clone());
        tokio::spawn(async move {
            let mut times = Vec::new();
            tokio::time::sleep(Duration::from_secs(5).mul_f64(i as f64 / workers as f64)).await;
            for _ in 0..4 {
                let turn = gate.acquire().await?;
                let began = Instant::now();
                store::rescue(&pool, PATIENCE).await?;
                store::claim(&pool, "idle", TTL).await?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
                drop(turn);
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            anyhow::Ok(times)
        })
    });
    let mut all = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        all.extend(task.await??);
    }
    Ok(all)
}

/// What a thousand workers say of themselves every ten seconds.
async fn signs_of_life(pool: PgPool, workers: usize) -> anyhow::Result<()> {
    loop {
        for i in 0..workers {
            let presence = Presence {
                name: format!("worker-{i}"),
                host: "bench".into(),
                pid: i as i32,
                device: "cpu".into(),
                threads: 1,
                memory_bytes: None,
                version: "bench".into(),
            };
            store::report_worker(&pool, &presence, None, (None, false)).await?;
            tokio::time::sleep(Duration::from_secs(10) / workers as u32).await;
        }
    }
}

fn say(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get(((times.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    println!(
        "{what}: {} times, median {:.2} ms, 99 % {:.2} ms, most {:.2} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}
