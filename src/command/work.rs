//! `dp2stage work`: one worker.

use std::time::Duration;

use anyhow::Context;
use dp2stage::model::Compute;
use dp2stage::queue::Worker;
use dp2stage::store::{self, Bell};
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
    let compute = Compute::open(config.workers.device.parse()?, config.workers.precision)?;
    let name = name.unwrap_or_else(|| format!("worker-{}", uuid::Uuid::now_v7().simple()));
    let drain = CancellationToken::new();
    let pool = store::connect(url.parse()?, 6);
    let worker = Worker {
        bell: Bell::start(pool.clone(), drain.clone()),
        blobs: config.storage()?.open()?,
        terms: config.terms(),
        machine: worker_machine(&config, 1),
        compute,
        models: config.models()?,
        pool,
        name,
    };
    tracing::info!(worker = worker.name, "ready for jobs");
    let stopping = drain.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop_signal() => {}
            () = orphaned(tied_to) => {}
        }
        tracing::info!("draining");
        stopping.cancel();
    });
    worker.run(drain).await;
    Ok(())
}

/// Ends when the parent is another process than it was; never, without one to be tied to.
async fn orphaned(tied_to: Option<u32>) {
    let Some(parent) = tied_to else { return std::future::pending().await };
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
