//! `dp2stage work`: one worker.

use std::time::Duration;

use anyhow::Context;
use dp2stage::engine::Machine;
use dp2stage::model::{Compute, Place};
use dp2stage::queue::Worker;
use dp2stage::store::{self, Bell, KeySource, Keyring, Presence, StoreError};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::memory::worker_machine;
use super::serve::stop_signal;
use crate::config::Config;

/// Works until SIGTERM or SIGINT; a job at work is handed back.
///
/// A worker that a server started is tied to it: when the server dies, however it dies, so does the
/// private database, and the worker drains.
pub async fn run(config: Config, name: Option<String>, tied_to: Option<u32>) -> anyhow::Result<()> {
    let url = config.database.url.as_deref().context(
        "a worker joins an installation: set DATABASE_URL to its database (`dp2stage serve` starts workers by itself)",
    )?;
    if config.workers.threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(config.workers.threads).build_global()?;
    }
    // A device that is not there is an error at the start, not of the first job.
    let device: Place = config.workers.device.parse().context("a worker has one device: name one in workers.device")?;
    let compute = Compute::open(device, config.workers.precision)?;
    let name = name.unwrap_or_else(|| format!("worker-{}", uuid::Uuid::now_v7().simple()));
    let drain = CancellationToken::new();
    let stopping = drain.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop_signal() => {}
            () = orphaned(tied_to) => {}
        }
        tracing::info!("draining");
        stopping.cancel();
    });
    let pool = store::connect(url.parse()?, 6);
    let machine = worker_machine(&config, 1);
    let source = config.storage_keys()?;
    // A server that dies early takes its database along: whoever waits for that must still notice.
    let keys = tokio::select! {
        keys = storage_keys(&pool, &source) => keys?,
        () = drain.cancelled() => return Ok(()),
    };
    let presence = presence(name, device, machine);
    let worker = Worker {
        bell: Bell::of_worker(pool.clone(), drain.clone()),
        blobs: config.storage()?.open(keys)?,
        terms: config.terms(),
        machine,
        compute,
        models: config.models()?,
        pool,
        place: (device != Place::Cpu).then(|| format!("{}/{device}", presence.host)),
        per_dataset: config.queue.running_per_dataset,
        presence,
    };
    tracing::info!(worker = worker.presence.name, "ready for jobs");
    worker.run(drain).await;
    Ok(())
}

/// The storage keys, once the database answers.
async fn storage_keys(pool: &PgPool, source: &KeySource) -> Result<Keyring, StoreError> {
    loop {
        match store::keyring(pool, source, false).await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(500)).await,
            keys => return keys,
        }
    }
}

fn presence(name: String, device: Place, machine: Machine) -> Presence {
    let limit = i64::try_from(machine.memory_bytes).ok();
    Presence {
        name,
        host: nix::unistd::gethostname().map_or_else(|_| "unknown".into(), |host| host.to_string_lossy().into_owned()),
        pid: std::process::id() as i32,
        device: device.to_string(),
        threads: machine.threads as i32,
        memory_bytes: limit,
        version: store::program(),
    }
}

/// Ends when the parent is another process than it was; never, without one to be tied to.
async fn orphaned(tied_to: Option<u32>) {
    let Some(parent) = tied_to else { return std::future::pending().await };
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
