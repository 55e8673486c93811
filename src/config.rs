//! Settings: `config.toml`, then `DP2STAGE__SECTION__KEY`, then flags. Unknown keys are errors.

mod defaults;
mod log;
mod metrics;
mod oidc;
mod retention;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dp2stage::http;
use dp2stage::model::{Place, Precision};
use dp2stage::queue::LeaseTerms;
use dp2stage::store::embedded::default_state_dir;
use dp2stage::store::models::{Declaration, Hub, Models};
use dp2stage::store::{self, KeySource, QueueRoom};
use dp2stage::tabular::UploadLimits;
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

pub use log::{Log, LogFormat};
pub use metrics::Metrics;
pub use oidc::Oidc;
pub use retention::Retention;

/// All settings.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The API.
    pub server: Server,
    /// PostgreSQL.
    pub database: Database,
    /// Where tables and results are kept.
    pub storage: Storage,
    /// Local workers.
    pub workers: Workers,
    /// The times of the queue.
    pub queue: Queue,
    /// Limits of requests.
    pub limits: Limits,
    /// For how long things are kept.
    pub retention: Retention,
    /// Messages about ends of jobs.
    pub webhooks: Webhooks,
    /// Tokens of an identity provider.
    pub oidc: Oidc,
    /// What is signed about succeeded jobs.
    pub certificates: Certificates,
    /// What is logged.
    pub log: Log,
    /// Where metrics are told.
    pub metrics: Metrics,
    /// Ready-made models by name.
    pub models: BTreeMap<String, Declaration>,
    /// The file that was named, for workers to read it too.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// The API.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The folder of everything that is kept.
    pub state_dir: Option<PathBuf>,
    /// The chain of certificates for TLS; none for connections in the clear.
    pub tls_cert: Option<PathBuf>,
    /// Its private key.
    pub tls_key: Option<PathBuf>,
}

/// PostgreSQL.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Where it is; none for a private cluster.
    pub url: Option<String>,
    /// Where the programs of a private cluster lie.
    pub bin_dir: Option<PathBuf>,
    /// Most connections of the server process.
    pub connections: u32,
}

/// Where tables and results are kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// A folder or a bucket; none for `blobs` in the state folder.
    pub url: Option<String>,
    /// Bytes that may be stored; 0 for no limit.
    pub quota_bytes: u64,
    /// Bytes that must stay free on the disk.
    pub min_free_bytes: u64,
    /// The storage keys themselves; none for those in a file.
    pub key: Option<Secret>,
    /// The file of the storage keys; none for one in the state folder.
    pub key_file: Option<PathBuf>,
}

/// Local workers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// How many processes `serve` starts on processors; of cards, each has one.
    pub local: usize,
    /// Threads of each; 0 for one a core.
    pub threads: usize,
    /// Bytes of memory that each may take; 0 for what the machine has, in equal shares.
    pub memory_bytes: u64,
    /// Where training runs: `cpu`, or cards such as `cuda:0,cuda:1`.
    pub device: String,
    /// What a device multiplies in.
    pub precision: Precision,
}

/// The times of the queue.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Silence after which a job is lost.
    pub lease_seconds: f64,
    /// How often idle workers look.
    pub poll_seconds: f64,
    /// Claims before a job has failed.
    pub max_attempts: i32,
    /// First wait after a fault.
    pub backoff_seconds: f64,
    /// How long a draining worker may go on.
    pub drain_seconds: f64,
    /// Jobs of one dataset that run at a time; 0 for no limit.
    pub running_per_dataset: u32,
    /// Jobs that may wait; further ones are refused for a while. 0 for no limit.
    pub queued: u32,
    /// Jobs of one tenant that may wait.
    pub queued_per_tenant: u32,
}

/// Limits of requests.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one table after decompression.
    pub upload_bytes: u64,
    /// Streams of events that are open at a time.
    pub event_streams: usize,
    /// Requests that change nothing, of one key within a minute; 0 for no limit.
    pub reads_per_minute: u32,
    /// All other requests.
    pub writes_per_minute: u32,
    /// Requests without a good key, from one address.
    pub failures_per_minute: u32,
}

/// Messages about ends of jobs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Whether jobs may name receivers.
    pub enabled: bool,
    /// `host:port` of receivers that need not be public.
    pub allow: Vec<String>,
    /// What messages are signed with.
    pub secret: Option<Secret>,
}

/// What is signed about succeeded jobs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Certificates {
    /// The file of the private key; none for one in the state folder.
    pub key_file: Option<PathBuf>,
}

/// A secret word. It never prints itself.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Workers {
    /// Where workers are to run: `local` times the processors, or each card once.
    ///
    /// # Errors
    /// A name that is no device, or a card that is named twice.
    pub fn places(&self) -> anyhow::Result<Vec<Place>> {
        let named = self.device.split(',').map(|name| name.trim().parse::<Place>());
        let named = named.collect::<Result<Vec<_>, _>>().map_err(|error| anyhow::anyhow!("workers.device: {error}"))?;
        if named == [Place::Cpu] {
            return Ok(vec![Place::Cpu; self.local]);
        }
        let twice = named.iter().enumerate().any(|(i, place)| named[..i].contains(place));
        anyhow::ensure!(!twice && !named.contains(&Place::Cpu), "workers.device: cpu alone, or each card once");
        Ok(if self.local == 0 { Vec::new() } else { named })
    }
}

impl Config {
    /// Reads the settings. Without a file named, `config.toml` in the working directory counts if it
    /// is there.
    ///
    /// # Errors
    /// A named file that is missing, unknown keys, values of a wrong type or out of range.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let toml = file.map_or_else(|| Toml::file("config.toml"), Toml::file_exact);
        let mut config: Self = Figment::from(Serialized::defaults(Self::default()))
            .merge(toml)
            .merge(Env::prefixed("DP2STAGE__").split("__"))
            .extract()?;
        if let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()) {
            config.database.url = Some(url);
        }
        let times = [config.queue.lease_seconds, config.queue.poll_seconds, config.queue.drain_seconds];
        anyhow::ensure!(
            times.iter().all(|t| (0.1..=86_400.0).contains(t))
                && (0.0..=86_400.0).contains(&config.queue.backoff_seconds),
            "queue: seconds are numbers from 0.1 to 86400"
        );
        config.workers.places()?;
        anyhow::ensure!(config.queue.max_attempts >= 1, "queue.max_attempts is at least 1");
        anyhow::ensure!(config.database.connections >= 2, "database.connections is at least 2");
        config.retention.check()?;
        config.metrics()?;
        config.file = file.map(std::path::absolute).transpose()?;
        Ok(config)
    }

    /// The folder of everything that is kept.
    ///
    /// # Errors
    /// When none was given and the user has no home.
    pub fn state_dir(&self) -> anyhow::Result<PathBuf> {
        Ok(match &self.server.state_dir {
            Some(folder) => std::path::absolute(folder)?,
            None => default_state_dir()?,
        })
    }

    /// Where tables and results are kept: in `blobs` in the state folder, unless said.
    ///
    /// # Errors
    /// No state folder.
    pub fn storage(&self) -> anyhow::Result<store::Storage> {
        let Storage { url, quota_bytes, min_free_bytes, .. } = self.storage.clone();
        let url = match url {
            Some(url) => url,
            None => store::Storage::folder(&self.state_dir()?.join("blobs")).url,
        };
        Ok(store::Storage { url, quota_bytes, min_free_bytes })
    }

    /// What TLS is spoken with, if it is.
    ///
    /// # Errors
    /// One file without the other, or files that are not what they should be.
    pub fn tls(&self) -> anyhow::Result<Option<http::Tls>> {
        match (&self.server.tls_cert, &self.server.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(http::Tls::read(certificate, key)?)),
            _ => anyhow::bail!("server.tls_cert and server.tls_key go together"),
        }
    }

    /// Where the storage keys are: in the settings, or in a file, `keys/storage` in the state folder unless said.
    ///
    /// # Errors
    /// No state folder.
    pub fn storage_keys(&self) -> anyhow::Result<KeySource> {
        Ok(match (&self.storage.key, &self.storage.key_file) {
            (Some(keys), _) => KeySource::Text(keys.0.clone().into()),
            (None, Some(file)) => KeySource::File(std::path::absolute(file)?),
            (None, None) => KeySource::File(self.state_dir()?.join("keys").join("storage")),
        })
    }

    /// The file of the key that certificates are signed with: `keys/certificate.ed25519` in the state folder, unless said.
    ///
    /// # Errors
    /// No state folder.
    pub fn certificate_key(&self) -> anyhow::Result<PathBuf> {
        Ok(match &self.certificates.key_file {
            Some(file) => std::path::absolute(file)?,
            None => self.state_dir()?.join("keys").join("certificate.ed25519"),
        })
    }

    /// The ready-made models, fetched from the hub that the environment names.
    ///
    /// # Errors
    /// A declaration that does not say where its model is; no state folder.
    pub fn models(&self) -> anyhow::Result<Models> {
        let hub = Hub::from_variables(|name| std::env::var(name).ok());
        Ok(Models::new(&self.state_dir()?, &self.models, hub)?)
    }

    /// The times of the queue.
    pub fn terms(&self) -> LeaseTerms {
        LeaseTerms {
            ttl: Duration::from_secs_f64(self.queue.lease_seconds),
            poll: Duration::from_secs_f64(self.queue.poll_seconds),
            max_attempts: self.queue.max_attempts,
            backoff: Duration::from_secs_f64(self.queue.backoff_seconds),
            drain: Duration::from_secs_f64(self.queue.drain_seconds),
        }
    }

    /// How many jobs may wait.
    pub fn queue_room(&self) -> QueueRoom {
        let limit = |most: u32| if most == 0 { i64::MAX } else { i64::from(most) };
        QueueRoom { all: limit(self.queue.queued), per_tenant: limit(self.queue.queued_per_tenant) }
    }

    /// Whether jobs may name receivers of messages, and which.
    ///
    /// # Errors
    /// When that is so and the secret is missing or none, or a place that is allowed is none.
    pub fn webhooks(&self) -> Result<http::Webhooks, http::BadSettings> {
        let secret = self.webhooks.secret.as_ref().map(|secret| secret.0.as_str());
        http::Webhooks::new(self.webhooks.enabled, &self.webhooks.allow, secret)
    }

    /// How often keys may ask.
    pub fn rates(&self) -> http::Rates {
        let Limits { reads_per_minute, writes_per_minute, failures_per_minute, .. } = self.limits;
        http::Rates::new(reads_per_minute, writes_per_minute, failures_per_minute)
    }

    /// The limits of one upload.
    pub fn upload_limits(&self) -> UploadLimits {
        UploadLimits { table_bytes: self.limits.upload_bytes, ..UploadLimits::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample says what the defaults are.
    #[test]
    fn the_sample_holds_the_defaults() {
        let sample: Config = Figment::from(Toml::string(include_str!("../config.toml"))).extract().unwrap();
        assert_eq!(sample, Config::default());
    }

    /// A model that is declared joins those that are known, and a folder takes the place of a repository.
    #[test]
    fn models_are_added_to_those_that_are_known() {
        let toml = "[models.mine]\nfolder = \"/srv/mine\"\n[models.gpt2]\nfolder = \"/srv/gpt2\"";
        let read = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string(toml));
        let config: Config = read.extract().unwrap();
        assert_eq!(config.models.keys().collect::<Vec<_>>(), ["distilgpt2", "gpt2", "mine"]);
        let config = Config { server: Server { state_dir: Some("/state".into()), ..Server::default() }, ..config };
        let listed = config.models().unwrap().list();
        assert_eq!(listed[1].source, "/srv/gpt2");
        assert_eq!(listed[0].folder, Path::new("/state/models/distilgpt2/2290a62682d06624634c1f46a6ad5be0f47f38aa"));
        let odd = Figment::from(Serialized::defaults(Config::default()))
            .merge(Toml::string("[models.x.files]\n\"config.json\" = \"0123\""));
        assert!(odd.extract::<Config>().unwrap_err().to_string().contains("64 digits"));
    }

    #[test]
    fn each_card_has_one_worker() {
        let places = |device: &str, local| Workers { device: device.into(), local, ..Workers::default() }.places();
        assert_eq!(places("cpu", 3).unwrap(), [Place::Cpu; 3]);
        assert_eq!(places("cuda:1, cuda:0", 1).unwrap(), [Place::Cuda(1), Place::Cuda(0)]);
        assert!(places("cuda:1", 0).unwrap().is_empty());
        assert!(places("cuda:1,cuda:1", 1).is_err() && places("cpu,cuda:0", 1).is_err() && places("gpu", 1).is_err());
    }

    #[test]
    fn unknown_keys_are_errors() {
        let odd = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string("[server]\nbnid = 1"));
        assert!(odd.extract::<Config>().unwrap_err().to_string().contains("bnid"));
    }
}
