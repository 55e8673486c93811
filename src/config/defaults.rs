//! What holds where nothing is said; `config.toml` says the same.

use std::net::SocketAddr;

use dp2stage::model::Precision;
use dp2stage::queue::LeaseTerms;
use dp2stage::store::models::known_models;

use super::{
    Certificates, Config, Database, Limits, Log, LogFormat, Metrics, Oidc, Queue, Retention, Server, Storage, Webhooks,
    Workers,
};

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            database: Database::default(),
            storage: Storage::default(),
            workers: Workers::default(),
            queue: Queue::default(),
            limits: Limits::default(),
            retention: Retention::default(),
            webhooks: Webhooks::default(),
            oidc: Oidc::default(),
            certificates: Certificates::default(),
            log: Log::default(),
            metrics: Metrics::default(),
            models: known_models(),
            file: None,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self { bind: SocketAddr::from(([127, 0, 0, 1], 8080)), state_dir: None, tls_cert: None, tls_key: None }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, bin_dir: None, connections: 16 }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { url: None, quota_bytes: 0, min_free_bytes: 256 << 20, key: None, key_file: None }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self { local: 1, threads: 0, memory_bytes: 0, device: "cpu".into(), precision: Precision::F32 }
    }
}

impl Default for Queue {
    fn default() -> Self {
        let terms = LeaseTerms::default();
        Self {
            lease_seconds: terms.ttl.as_secs_f64(),
            poll_seconds: terms.poll.as_secs_f64(),
            max_attempts: terms.max_attempts,
            backoff_seconds: terms.backoff.as_secs_f64(),
            drain_seconds: terms.drain.as_secs_f64(),
            running_per_dataset: 16,
            queued: 10_000,
            queued_per_tenant: 1_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            upload_bytes: 4 << 30,
            event_streams: 1024,
            reads_per_minute: 6000,
            writes_per_minute: 600,
            failures_per_minute: 60,
        }
    }
}

impl Default for Oidc {
    fn default() -> Self {
        let value = |role: &str| vec![format!("dp2stage-{role}")];
        Self {
            issuer: None,
            audience: String::new(),
            role_claim: "roles".into(),
            admin: value("admin"),
            custodian: value("custodian"),
            analyst: value("analyst"),
            tenant_claim: None,
            algorithms: ["RS256", "ES256", "EdDSA"].map(String::from).into(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,sqlx=warn".into() }
    }
}
