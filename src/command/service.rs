//! The running service: database, API and local workers, started and stopped in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dp2stage::http::{self, App, Courier, Sources, SystemNames, Webhooks};
use dp2stage::model::Place;
use dp2stage::queue::{Crew, supervise, watch};
use dp2stage::store::embedded::{Cluster, ClusterConfig, Places};
use dp2stage::store::{self, AuditRecorder, Bell, StoreError};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::key::told;
use super::memory::worker_machine;
use super::upkeep;
use crate::config::Config;

/// What a worker may have resident beyond what its jobs were counted to take, or a tenth if that is more.
const MARGIN: u64 = 256 << 20;
/// Requests under way may take this long to end.
const GRACE: Duration = Duration::from_secs(10);
/// However often metrics are asked for, the database is looked at once in so long.
const OBSERVE: Duration = Duration::from_secs(5);
/// A database that was named is waited for this long at the start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The database: the one that was named, or a private cluster.
pub struct Database {
    /// Connections.
    pub pool: PgPool,
    /// For other processes.
    pub url: String,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens it; starts the private cluster when no other was named.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(url) = &config.database.url {
            let pool = store::connect(url.parse().context("DATABASE_URL")?, config.database.connections);
            return Ok(Self { pool, url: url.clone(), cluster: None });
        }
        let settings = ClusterConfig {
            places: Places::of_this_machine(config.database.bin_dir.as_deref()),
            ..ClusterConfig::new(config.state_dir()?)
        };
        tracing::warn!(folder = %settings.state_dir.display(), "a private PostgreSQL serves this machine alone");
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&settings)).await??;
        let pool = store::connect(cluster.connect_options(), config.database.connections);
        Ok(Self { pool, url: cluster.url(), cluster: Some(cluster) })
    }

    /// Closes connections and stops a private cluster.
    pub async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        if let Some(cluster) = self.cluster {
            tokio::task::spawn_blocking(move || cluster.stop()).await?;
        }
        Ok(())
    }

    async fn migrate(&self) -> anyhow::Result<()> {
        let started = tokio::time::Instant::now();
        loop {
            match store::ping(&self.pool).await {
                Err(StoreError::Unavailable(_)) if started.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                answer => break answer.context("the database does not answer")?,
            }
        }
        Ok(store::migrate(&self.pool).await?)
    }
}

/// A service that answers requests.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it tells its metrics, if it does.
    pub metrics_address: Option<SocketAddr>,
    /// What it speaks TLS with, if it does.
    pub tls: Option<http::Tls>,
    /// The key that was made because there was none.
    pub first_key: Option<String>,
    database: Database,
    audit: AuditRecorder,
    stopping: CancellationToken,
    api: JoinHandle<std::io::Result<()>>,
    crew: JoinHandle<()>,
    messages: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts everything; `open` asks for no keys and is refused beyond loopback.
    pub async fn start(config: Config, open: bool) -> anyhow::Result<Self> {
        anyhow::ensure!(
            !open || config.server.bind.ip().is_loopback(),
            "--dev asks for no key, so it serves loopback only; bind to 127.0.0.1, or leave --dev out"
        );
        // What is not there should fail at once: the device of local workers, then the port.
        let places = config.workers.places()?;
        for place in &places {
            place.open()?;
        }
        let tls = config.tls()?;
        let listener =
            TcpListener::bind(config.server.bind).await.with_context(|| format!("{}", config.server.bind))?;
        let address = listener.local_addr()?;
        let (metrics, told_at) = (http::Metrics::default(), metrics_listener(&config).await?);
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(%address, "KEYS AND TABLES COME IN THE CLEAR: set server.tls_cert and server.tls_key, or let a proxy on this machine speak TLS and bind to loopback");
        }
        let database = Database::open(&config).await?;
        database.migrate().await?;
        let keys = store::keyring(&database.pool, &config.storage_keys()?, true).await?;
        let blobs = config.storage()?.open(keys)?;
        upkeep::refuse_rewound(&database.pool, &blobs).await?;
        let first_key = if open { None } else { first_key(&database.pool).await? };
        let stopping = CancellationToken::new();
        tokio::spawn(upkeep::run((database.pool.clone(), blobs.clone()), config.retention(), stopping.clone()));
        let signer = store::signing_key(&config.certificate_key()?)?;
        store::add_signer(&database.pool, &signer.public()).await?;
        let (webhooks, oidc) = (config.webhooks()?, if open { None } else { config.oidc()? });
        let bell = Bell::start(database.pool.clone(), stopping.clone());
        let audit = AuditRecorder::start(&database.pool);
        let metrics_address = told_at.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(listener) = told_at {
            let (pool, blobs) = (database.pool.clone(), blobs.clone());
            let sources = Sources { metrics: metrics.clone(), pool, blobs, audit: audit.clone(), every: OBSERVE };
            tokio::spawn(http::tell(listener, sources, stopping.clone()));
        }
        let app = App {
            blobs: blobs.clone(),
            feed: http::Feed::start(database.pool.clone(), &bell, config.limits.event_streams, stopping.clone()),
            bell,
            limits: config.upload_limits(),
            room: config.queue_room(),
            retention: config.retention(),
            models: config.models()?,
            workers: worker_machine(&config, places.len()),
            operator: database.pool.clone(),
            open,
            keys: http::KnownKeys::default(),
            oidc,
            sessions: http::Sessions::default(),
            rates: config.rates(),
            audit: audit.clone(),
            figures: http::Figures::default(),
            writers: http::Writers::default(),
            webhooks: webhooks.clone(),
            signer: Arc::new(signer),
            metrics: metrics.clone(),
            stopping: stopping.clone(),
        };
        let crew = tokio::spawn(supervise(crew(&config, &places, &database)?, database.pool.clone(), stopping.clone()));
        tokio::spawn(watch(database.pool.clone(), blobs, config.terms(), stopping.clone()));
        let messages = messages(webhooks, database.pool.clone(), stopping.clone())?;
        let manner = (tls.clone(), http::Patience::default());
        let api = tokio::spawn(http::serve(listener, http::router(app), manner, stopping.clone()));
        Ok(Self { address, metrics_address, tls, first_key, database, audit, stopping, api, crew, messages })
    }

    /// Ends when the service has to stop by itself.
    pub async fn ended(&self) {
        self.stopping.cancelled().await;
    }

    /// Stops taking requests, lets workers drain, closes the database.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stopping.cancel();
        if tokio::time::timeout(GRACE, &mut self.api).await.is_err() {
            self.api.abort();
        }
        self.audit.settle().await;
        self.crew.await?;
        if let Some(messages) = self.messages {
            messages.await?;
        }
        self.database.close().await
    }
}

/// Where metrics are told, if they are.
async fn metrics_listener(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = config.metrics()? else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| format!("metrics.bind: {address}"))?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "whoever reaches this address reads the metrics without a key");
    }
    Ok(Some(listener))
}

/// Sends messages about ends of jobs, where the settings have any sent.
fn messages(webhooks: Webhooks, pool: PgPool, stop: CancellationToken) -> anyhow::Result<Option<JoinHandle<()>>> {
    if !webhooks.are_on() {
        return Ok(None);
    }
    let courier = Courier::new(webhooks, Arc::new(SystemNames))?;
    Ok(Some(tokio::spawn(http::deliver(pool, courier, stop))))
}

async fn first_key(pool: &PgPool) -> anyhow::Result<Option<String>> {
    if store::any_key(pool).await? {
        return Ok(None);
    }
    let key = http::issue(store::Role::Admin)?;
    told(pool, ("serve", &key.stored.id), store::insert_key(pool, &key.stored)).await?;
    Ok(Some(key.token))
}

fn crew(config: &Config, places: &[Place], database: &Database) -> anyhow::Result<Crew> {
    let (settings, storage, machine) = (&config.queue, config.storage()?, worker_machine(config, places.len()));
    let environment = [
        ("DATABASE_URL", database.url.clone()),
        ("DP2STAGE__STORAGE__URL", storage.url),
        ("DP2STAGE__STORAGE__QUOTA_BYTES", storage.quota_bytes.to_string()),
        ("DP2STAGE__STORAGE__MIN_FREE_BYTES", storage.min_free_bytes.to_string()),
        ("DP2STAGE__WORKERS__THREADS", config.workers.threads.to_string()),
        ("DP2STAGE__WORKERS__MEMORY_BYTES", machine.memory_bytes.to_string()),
        ("DP2STAGE__WORKERS__PRECISION", config.workers.precision.to_string()),
        ("DP2STAGE__LOG__FILTER", config.log.filter.clone()),
        ("DP2STAGE__QUEUE__LEASE_SECONDS", settings.lease_seconds.to_string()),
        ("DP2STAGE__QUEUE__POLL_SECONDS", settings.poll_seconds.to_string()),
        ("DP2STAGE__QUEUE__MAX_ATTEMPTS", settings.max_attempts.to_string()),
        ("DP2STAGE__QUEUE__BACKOFF_SECONDS", settings.backoff_seconds.to_string()),
        ("DP2STAGE__QUEUE__DRAIN_SECONDS", settings.drain_seconds.to_string()),
        ("DP2STAGE__QUEUE__RUNNING_PER_DATASET", settings.running_per_dataset.to_string()),
    ];
    let mut arguments = vec!["work".into(), "--state-dir".into(), config.state_dir()?.display().to_string()];
    if let Some(file) = &config.file {
        arguments.extend(["--config".into(), file.display().to_string()]);
    }
    Ok(Crew {
        devices: places.iter().map(Place::to_string).collect(),
        program: std::env::current_exe()?,
        arguments,
        environment: environment.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        memory_bytes: machine.memory_bytes.saturating_add(MARGIN.max(machine.memory_bytes / 10)),
        patience: config.terms().drain + Duration::from_secs(15),
    })
}
