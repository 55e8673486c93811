//! The API on a real port, over a database and a folder of its own; workers as real processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dp2stage::engine::Machine;
use dp2stage::http::{self, App, Oidc, Rates, Webhooks};
use dp2stage::store::models::{Declaration, Hub, Models};
use dp2stage::store::{self, AuditRecorder, Bell, KeySource, QueueRoom, Retention, Role, Storage};
use dp2stage::tabular::UploadLimits;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{TestDatabase, fresh_database, scratch};

/// A running API. Everything it keeps goes with it.
pub struct TestApi {
    pub base: String,
    pub client: reqwest::Client,
    pub database: TestDatabase,
    folder: TempDir,
    router: axum::Router,
    sources: http::Sources,
    stop: DropGuard,
}

/// What most tests leave as it is.
#[derive(Default)]
struct Extras {
    webhooks: Webhooks,
    retention: Retention,
    oidc: Option<Oidc>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The `code` of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }
}

/// What the API warns of is in the output of a test that fails.
fn speak_up() {
    let quiet = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_test_writer().without_time();
    let _ = quiet.try_init();
}

/// A client of servers on this machine. Clients want a provider of cryptography, as `main` installs it.
pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

impl TestApi {
    /// The file of its storage keys, for other processes of the same installation.
    pub fn storage_key(&self) -> std::path::PathBuf {
        self.folder.path().join("keys/storage")
    }

    /// An API that asks for no key.
    pub async fn open() -> Self {
        Self::start(true, UploadLimits::default()).await
    }

    /// An API with these limits, open or not.
    pub async fn start(open: bool, limits: UploadLimits) -> Self {
        Self::with_workers(open, limits, 8 << 30).await
    }

    /// An API whose workers may take so many bytes of memory.
    pub async fn with_workers(open: bool, limits: UploadLimits, memory_bytes: u64) -> Self {
        Self::with_room(open, limits, memory_bytes, 0).await
    }

    /// An API that may store so many bytes; 0 for no limit.
    pub async fn with_room(open: bool, limits: UploadLimits, memory_bytes: u64, quota_bytes: u64) -> Self {
        let left = (fresh_database().await, scratch());
        Self::over(left, open, (limits, Rates::default()), (memory_bytes, quota_bytes), Extras::default()).await
    }

    /// An API that asks for keys and lets each ask so often.
    pub async fn limited(rates: Rates) -> Self {
        let left = (fresh_database().await, scratch());
        Self::over(left, false, (UploadLimits::default(), rates), (8 << 30, 0), Extras::default()).await
    }

    /// An open API where jobs may name receivers.
    pub async fn with_webhooks(webhooks: Webhooks) -> Self {
        let left = (fresh_database().await, scratch());
        Self::over(
            left,
            true,
            (UploadLimits::default(), Rates::default()),
            (8 << 30, 0),
            Extras { webhooks, ..Extras::default() },
        )
        .await
    }

    /// An API that keeps things for so long, open or not.
    pub async fn keeping(open: bool, retention: Retention) -> Self {
        let left = (fresh_database().await, scratch());
        let extras = Extras { retention, ..Extras::default() };
        Self::over(left, open, (UploadLimits::default(), Rates::default()), (8 << 30, 0), extras).await
    }

    /// An API that takes tokens of an identity provider.
    pub async fn with_oidc(oidc: Oidc, rates: Rates) -> Self {
        let left = (fresh_database().await, scratch());
        let extras = Extras { oidc: Some(oidc), ..Extras::default() };
        Self::over(left, false, (UploadLimits::default(), rates), (8 << 30, 0), extras).await
    }

    /// Another server over what an open one left; that one stops.
    pub async fn restarted(self) -> Self {
        drop(self.stop);
        let left = (self.database, self.folder);
        Self::over(left, true, (UploadLimits::default(), Rates::default()), (8 << 30, 0), Extras::default()).await
    }

    async fn over(
        (database, folder): (TestDatabase, TempDir),
        open: bool,
        (limits, rates): (UploadLimits, Rates),
        (memory_bytes, quota_bytes): (u64, u64),
        Extras { webhooks, retention, oidc }: Extras,
    ) -> Self {
        speak_up();
        let stopping = CancellationToken::new();
        let declared = Declaration { folder: Some(folder.path().join("tiny")), ..Declaration::default() };
        let models = [("tiny".to_owned(), declared)].into();
        let models = Models::new(folder.path(), &models, Hub::from_variables(|_| None)).expect("models");
        let bell = Bell::start(database.pool.clone(), stopping.clone());
        let signer = store::signing_key(&folder.path().join("keys/certificate.ed25519")).expect("a key");
        store::add_signer(&database.pool, &signer.public()).await.expect("a key that is known");
        let source = KeySource::File(folder.path().join("keys/storage"));
        let keys = store::keyring(&database.pool, &source, true).await.expect("a storage key");
        let storage = Storage { quota_bytes, ..Storage::folder(&folder.path().join("blobs")) };
        let sources = http::Sources {
            metrics: http::Metrics::default(),
            pool: database.pool.clone(),
            blobs: storage.open(keys).expect("a folder"),
            audit: AuditRecorder::start(&database.pool),
            every: Duration::ZERO,
        };
        let app = App {
            operator: database.pool.clone(),
            blobs: sources.blobs.clone(),
            feed: http::Feed::start(database.pool.clone(), &bell, 16, stopping.clone()),
            bell,
            limits,
            room: QueueRoom { all: 10_000, per_tenant: 1_000 },
            retention,
            models,
            workers: Machine { memory_bytes, threads: 2 },
            open,
            keys: http::KnownKeys::default(),
            oidc,
            sessions: http::Sessions::default(),
            rates,
            audit: sources.audit.clone(),
            figures: http::Figures::default(),
            writers: http::Writers::default(),
            webhooks,
            signer: Arc::new(signer),
            metrics: sources.metrics.clone(),
            stopping: stopping.clone(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (manner, router) = ((None, http::Patience::default()), http::router(app));
        tokio::spawn(http::serve(listener, router.clone(), manner, stopping.clone()));
        let client = client();
        Self { base, client, database, folder, router, sources, stop: stopping.drop_guard() }
    }

    /// The same service at another port, spoken to in this manner.
    pub async fn also(&self, manner: (Option<http::Tls>, http::Patience)) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(http::serve(listener, self.router.clone(), manner, CancellationToken::new()));
        address
    }

    /// What its metrics tell of.
    pub fn sources(&self) -> http::Sources {
        self.sources.clone()
    }

    /// A new key with this role.
    pub async fn token(&self, role: Role) -> String {
        self.token_of(role, "default").await
    }

    /// A new key with this role, of this tenant.
    pub async fn token_of(&self, role: Role, tenant: &str) -> String {
        let mut key = http::issue(role).unwrap();
        key.stored.tenant = tenant.to_owned();
        store::insert_key(&self.database.pool, &key.stored).await.unwrap();
        key.token
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body") }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn upload(&self, dataset: &str, csv: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::PUT, &format!("/v1/datasets/{dataset}/rows"));
        self.send(request.header("content-type", "text/csv").body(csv)).await
    }

    /// Declares [`clinic`] with this epsilon and uploads `rows` rows of it.
    pub async fn clinic(&self, epsilon: f64, rows: usize) {
        let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": rows,
                              "budget": {"epsilon": epsilon, "delta": 1e-6}});
        self.post("/v1/datasets", &declared).await.expect(201);
        let mut csv = String::from("age,ward,ill\n");
        for i in 0..rows {
            let (ward, ill) = (["a", "b", "c"][i * 7 % 3], if i * 7 % 3 == 1 { "yes" } else { "no" });
            csv += &format!("{},{ward},{ill}\n", 18 + i * 31 % 80);
        }
        self.upload("clinic", csv).await.expect(201);
    }

    /// A real worker process on this installation, with short times. Killed with its handle.
    pub fn worker(&self, lease_seconds: f64) -> WorkerProcess {
        self.worker_with(lease_seconds, &[])
    }

    /// A worker with these variables in its environment besides.
    pub fn worker_with(&self, lease_seconds: f64, environment: &[(&str, &str)]) -> WorkerProcess {
        self.worker_named(&format!("worker-{}", uuid::Uuid::now_v7().simple()), lease_seconds, environment)
    }

    /// The same, with a name under which its leases are held.
    pub fn worker_named(&self, name: &str, lease_seconds: f64, environment: &[(&str, &str)]) -> WorkerProcess {
        let child = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
            .args(["work", "--name", name])
            .arg("--state-dir")
            .arg(self.folder.path())
            .current_dir("/")
            .env("DATABASE_URL", &self.database.url)
            .env("DP2STAGE__QUEUE__LEASE_SECONDS", lease_seconds.to_string())
            .env("DP2STAGE__QUEUE__POLL_SECONDS", "0.2")
            .env("DP2STAGE__QUEUE__MAX_ATTEMPTS", "100")
            .env("DP2STAGE__LOG__FILTER", "warn")
            .env("DP2STAGE__MODELS__TINY__FOLDER", self.tiny())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .expect("a worker");
        WorkerProcess(child)
    }

    /// The folder of the ready-made model `tiny`, which is declared, but empty at first.
    pub fn tiny(&self) -> PathBuf {
        self.folder.path().join("tiny")
    }

    /// The state folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of blobs.
    pub fn blobs(&self) -> PathBuf {
        self.folder.path().join("blobs")
    }

    /// Asks for a job until `done` says so, at most `patience`.
    pub async fn job_until(&self, id: &str, patience: Duration, done: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let job = self.get(&format!("/v1/jobs/{id}")).await.expect(200);
            if done(&job) {
                return job;
            }
            assert!(began.elapsed() < patience, "still not: {job}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

/// A worker process.
pub struct WorkerProcess(pub Child);

impl WorkerProcess {
    /// kill -9, and wait until it is gone.
    pub fn kill(mut self) {
        self.0.kill().expect("a kill");
        self.0.wait().expect("an end");
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A small declaration: a number, a category, a target.
pub fn clinic() -> Value {
    json!({"columns": [
        {"name": "age", "type": "integer", "min": 18, "max": 99},
        {"name": "ward", "type": "categorical", "categories": ["a", "b", "c"]},
        {"name": "ill", "type": "categorical", "categories": ["no", "yes"]}],
      "target": "ill"})
}
