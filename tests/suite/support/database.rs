//! A fresh database for each test, cloned from a migrated template.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dp2stage::store::embedded::Cluster;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::runtime;
use tokio::sync::OnceCell;

use super::cluster::start_cluster;

/// What every fresh database starts with.
async fn fill_template(pool: &PgPool) {
    dp2stage::store::migrate(pool).await.expect("the template is migrated");
}

/// Names of templates and tests begin with these, so that leftovers on a shared server are recognised.
const TEMPLATE: &str = "dp2stage_template";
const TEST: &str = "dp2stage_test";
/// Leftovers on a shared server (`TEST_DATABASE_URL`) older than this are dropped.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The server of this test process.
struct Server {
    /// How to reach its maintenance database.
    admin: PgConnectOptions,
    template: String,
    _cluster: Option<Cluster>,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A database of one test's own. It is dropped with its handle, connections and all.
pub struct TestDatabase {
    /// For another process.
    pub url: String,
    /// For a pool of the test's own making.
    pub options: PgConnectOptions,
    /// At most eight connections, bound to the test's runtime.
    pub pool: PgPool,
    name: String,
}

/// Clones the template. The first caller starts the server, or connects to `TEST_DATABASE_URL` when that is set.
pub async fn fresh_database() -> TestDatabase {
    let server = SERVER.get_or_init(start_server).await;
    clone_of(server, &server.template).await
}

impl TestDatabase {
    /// A copy of this database as it is now. Nobody but this handle may be connected.
    pub async fn copy(&mut self) -> TestDatabase {
        let server = SERVER.get_or_init(start_server).await;
        self.pool.close().await;
        let copy = clone_of(server, &self.name).await;
        self.pool = pool_of(&self.options).await;
        copy
    }
}

async fn pool_of(options: &PgConnectOptions) -> PgPool {
    let pool = dp2stage::store::lent_clean(PgPoolOptions::new().max_connections(8));
    pool.connect_with(options.clone()).await.expect("a connection")
}

async fn clone_of(server: &Server, template: &str) -> TestDatabase {
    let name = unique_name(TEST);
    // every test has a runtime of its own, and a connection dies with the runtime that opened it: none is shared
    let clone = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log");
    command(&server.admin, clone).await.expect("a clone of the template");
    let options = server.admin.clone().database(&name);
    let pool = pool_of(&options).await;
    let url = url_of(&options, &server.admin);
    TestDatabase { url, options, pool, name }
}

async fn start_server() -> Server {
    let (admin, cluster) = match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => (PgConnectOptions::from_str(&url).expect("TEST_DATABASE_URL is a PostgreSQL URL"), None),
        Err(_) => {
            let started = tokio::task::spawn_blocking(start_cluster).await.expect("the test cluster starts");
            (started.connect_options(), Some(started))
        }
    };
    if cluster.is_none() {
        drop_leftovers(&admin).await;
    }
    let template = unique_name(TEMPLATE);
    command(&admin, format!("CREATE DATABASE {template}")).await.expect("a template database");
    let pool = PgPool::connect_with(admin.clone().database(&template)).await.expect("the template database");
    fill_template(&pool).await;
    pool.close().await;
    // a clone needs a template without connections
    command(&admin, format!("ALTER DATABASE {template} ALLOW_CONNECTIONS false")).await.expect("a closed template");
    Server { admin, template, _cluster: cluster }
}

/// `<kind>_<seconds since 1970>_<process>_<number>`.
fn unique_name(kind: &str) -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{kind}_{}_{}_{number}", now().as_secs(), std::process::id())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970")
}

async fn command(server: &PgConnectOptions, sql: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(server).await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}

/// Drops what earlier, killed test runs left on a server that outlives them.
async fn drop_leftovers(server: &PgConnectOptions) {
    let mut connection = PgConnection::connect_with(server).await.expect("TEST_DATABASE_URL answers");
    let names =
        sqlx::query_scalar::<_, String>("SELECT datname::text FROM pg_database WHERE datname LIKE 'dp2stage\\_te%'");
    let names = names.fetch_all(&mut connection).await.expect("the list of databases");
    for name in names.iter().filter(|name| is_stale(name)) {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.expect("a leftover is dropped");
    }
}

fn is_stale(name: &str) -> bool {
    let rest = [TEMPLATE, TEST].iter().find_map(|kind| name.strip_prefix(kind)?.strip_prefix('_'));
    let made = rest.and_then(|rest| rest.split('_').next()?.parse().ok());
    made.is_some_and(|seconds| now().saturating_sub(Duration::from_secs(seconds)) > STALE)
}

/// The URL of a database; the private cluster's, where the folder of the socket is a parameter, or an outside one.
fn url_of(options: &PgConnectOptions, server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => format!(
            "postgres://{}@localhost:{}/{}?host={}&sslmode=disable",
            options.get_username(),
            options.get_port(),
            options.get_database().unwrap_or_default(),
            socket.display()
        ),
        None => options.to_url_lossy().to_string(),
    }
}

impl Drop for TestDatabase {
    /// Drops the database from a thread with a runtime of its own, since `drop` cannot wait in the test's.
    fn drop(&mut self) {
        let Some(server) = SERVER.get() else { return };
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let work = move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(command(&server.admin, sql))
        };
        match thread::spawn(work).join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("{} stays: {error}", self.name),
            Err(_) => eprintln!("{} stays: the thread that drops it panicked", self.name),
        }
    }
}

#[test]
fn only_old_databases_of_ours_are_leftovers() {
    let today = now().as_secs();
    assert!(is_stale("dp2stage_test_1000_12_3"));
    assert!(is_stale("dp2stage_template_1000_12_3"));
    assert!(!is_stale(&format!("dp2stage_test_{today}_12_3")));
    assert!(!is_stale("dp2stage"));
    assert!(!is_stale("dp2stage_test_results"));
}
