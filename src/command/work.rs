//! `dp2stage work`: one worker.

use anyhow::Context;
use dp2stage::queue::Worker;
use dp2stage::store::{self, Bell, Blobs};
use tokio_util::sync::CancellationToken;

use super::serve::stop_signal;
use crate::config::Config;

/// Works until SIGTERM or SIGINT; a job at work is handed back.
pub async fn run(config: Config, name: Option<String>) -> anyhow::Result<()> {
    let url = config.database.url.as_deref().context(
        "a worker joins an installation: set DATABASE_URL to its database (`dp2stage serve` starts workers by itself)",
    )?;
    if config.workers.threads > 0 {
        rayon::ThreadPoolBuilder::new().num_threads(config.workers.threads).build_global()?;
    }
    let name = name.unwrap_or_else(|| format!("worker-{}", uuid::Uuid::now_v7().simple()));
    let drain = CancellationToken::new();
    let pool = store::connect(url.parse()?, 6);
    let worker = Worker {
        bell: Bell::start(pool.clone(), drain.clone()),
        blobs: Blobs::open(&config.state_dir()?.join("blobs"))?,
        terms: config.terms(),
        pool,
        name,
    };
    tracing::info!(worker = worker.name, "ready for jobs");
    let stopping = drain.clone();
    tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("draining");
        stopping.cancel();
    });
    worker.run(drain).await;
    Ok(())
}
