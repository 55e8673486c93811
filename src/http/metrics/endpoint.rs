//! Where metrics are told: GET /metrics at an address of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::serving::{Patience, serve};
use super::super::workers::SILENT;
use super::attempts::Attempts;
use super::counted::Metrics;
use super::families::gauge;
use super::told::of_database;
use crate::store::{self, AuditRecorder, Blobs, Observed, StoreError, StoredBytes, within};

/// A database that does not answer for so long is away.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is stored is counted file by file, so less often.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// The form in which it is told.
const FORM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What all names begin with.
const PREFIX: &str = "dp2stage";

/// What is told of.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What the API counts.
    pub metrics: Metrics,
    /// The connections of the API.
    pub pool: PgPool,
    /// The storage.
    pub blobs: Blobs,
    /// The audit log.
    pub audit: AuditRecorder,
    /// However often it is asked, the database is looked at once in so long.
    pub every: Duration,
}

struct Board {
    sources: Sources,
    /// A connection of its own.
    observing: PgPool,
    last: Mutex<Last>,
}

/// What was seen last. Whoever asks waits for whoever looks: nobody looks twice at a time.
#[derive(Default)]
struct Last {
    at: Option<Instant>,
    /// None while the database is away.
    seen: Option<Observed>,
    /// Seconds that it took to look.
    took: f64,
    attempts: Attempts,
    counted: Option<Instant>,
    stored: Option<StoredBytes>,
}

/// Tells metrics until `stop` is cancelled.
///
/// # Errors
/// None at present; see [`serve`].
pub async fn tell(listener: TcpListener, sources: Sources, stop: CancellationToken) -> std::io::Result<()> {
    let board = Board { observing: store::observing(&sources.pool), sources, last: Mutex::default() };
    // Counters begin with the server, and not with whoever asks first.
    board.last.lock().await.look(&board).await;
    let routes = Router::new().route("/metrics", get(metrics)).with_state(Arc::new(board));
    serve(listener, routes, (None, Patience::default()), stop).await
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    let mut last = board.last.lock().await;
    if last.at.is_none_or(|at| at.elapsed() >= board.sources.every) {
        last.look(&board).await;
    }
    let mut text = String::new();
    let told = encode_registry(&mut text, &board.registry(&last)).and_then(|()| encode_eof(&mut text));
    match told {
        Ok(()) => ([(header::CONTENT_TYPE, FORM), (header::CACHE_CONTROL, "no-store")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Last {
    /// Looks at everything.
    async fn look(&mut self, board: &Board) {
        let began = Instant::now();
        let seen = within(PATIENCE, observe(&board.observing, &mut self.attempts)).await;
        self.seen = seen.inspect_err(|error| tracing::debug!(%error, "metrics without the database")).ok();
        self.took = began.elapsed().as_secs_f64();
        if self.counted.is_none_or(|at| at.elapsed() >= COUNT_EVERY) {
            let blobs = board.sources.blobs.clone();
            let counted = tokio::task::spawn_blocking(move || blobs.stored_bytes());
            // A bucket that does not answer costs its figures alone.
            let counted = tokio::time::timeout(PATIENCE, counted).await;
            self.stored = counted.ok().and_then(|counted| counted.ok()?.ok());
            self.counted = Some(Instant::now());
        }
        self.at = Some(Instant::now());
    }
}

async fn observe(pool: &PgPool, attempts: &mut Attempts) -> Result<Observed, StoreError> {
    let mut connection = pool.acquire().await?;
    attempts.look(&mut connection).await?;
    store::observe(&mut connection, SILENT).await
}

impl Board {
    fn registry(&self, last: &Last) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let Sources { metrics, pool, audit, .. } = &self.sources;
        registry.register("build", "The program that answers", Info::new(vec![("version", store::program())]));
        metrics.register(&mut registry);
        let about =
            ("database_up", "1 when the database answered, 0 when it is away; then what is read from it is not told");
        gauge(&mut registry, about, if last.seen.is_some() { 1.0 } else { 0.0 });
        let about = (
            "observation_duration_seconds",
            "Seconds that the database was looked at for this, at most every 5 seconds",
        );
        gauge(&mut registry, about, last.took);
        let about = ("database_connections", "Connections of this server that are open");
        gauge(&mut registry, about, f64::from(pool.size()));
        let about = ("database_connections_idle", "Those among them that nobody uses");
        gauge(&mut registry, about, pool.num_idle() as f64);
        let about = ("database_connections_most", "Connections that this server may open");
        gauge(&mut registry, about, f64::from(pool.options().get_max_connections()));
        let about = ("audit_backlog_lines", "Lines of the audit log that this server has to write");
        gauge(&mut registry, about, audit.backlog() as f64);
        if let Some(stored) = last.stored {
            storage(&mut registry, stored);
        }
        if let Some(seen) = &last.seen {
            of_database(&mut registry, seen, &last.attempts);
        }
        registry
    }
}

fn storage(registry: &mut Registry, stored: StoredBytes) {
    let about = ("storage_used_bytes", "Bytes that are stored, counted every minute");
    gauge(registry, about, stored.used as f64);
    let about = ("storage_quota_bytes", "Bytes that may be stored; 0 for no limit");
    gauge(registry, about, stored.quota as f64);
    if let Some(free) = stored.free {
        let about = ("storage_free_bytes", "Bytes that are free on the disk of the storage; none for a bucket");
        gauge(registry, about, free as f64);
    }
}
