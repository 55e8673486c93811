//! A worker: claims jobs one after the other until it is told to drain.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::presence::{At, announce};
use super::terms::LeaseTerms;
use super::tether::PATIENCE;
use super::{attempt, rescuer};
use crate::engine::Machine;
use crate::model::Compute;
use crate::store::models::Models;
use crate::store::{self, Bell, Blobs, Claimant, Claimed, Presence, Ring, StoreError, within};

/// Everything a worker needs.
#[derive(Clone)]
pub struct Worker {
    /// The database.
    pub pool: PgPool,
    /// The storage.
    pub blobs: Blobs,
    /// Rings when jobs arrive.
    pub bell: Bell,
    /// The times of the queue.
    pub terms: LeaseTerms,
    /// What it has to work with.
    pub machine: Machine,
    /// What computes the passes of training.
    pub compute: Compute,
    /// The ready-made models of this machine.
    pub models: Models,
    /// Who it is.
    pub presence: Presence,
    /// Where one job at a time may run: host and card. `None` on processors.
    pub place: Option<String>,
    /// Most jobs of one dataset that run at a time; 0 for no limit.
    pub per_dataset: u32,
}

impl Worker {
    /// Whether there is room for a checkpoint: a job that could not keep one would only use up its spare blocks.
    async fn check_room(&self) -> std::io::Result<()> {
        let blobs = self.blobs.clone();
        tokio::task::spawn_blocking(move || blobs.check_room()).await?
    }

    /// Works until `drain` is cancelled; a job at work is then handed back.
    pub async fn run(&self, drain: CancellationToken) {
        let at = At::default();
        let announced = announce(self.pool.clone(), self.presence.clone(), at.clone(), drain.clone());
        let announced = tokio::spawn(announced);
        let mut listener = self.bell.listener();
        while !drain.is_cancelled() {
            let sent = Instant::now();
            let claimed = match self.check_room().await {
                Ok(()) => within(PATIENCE, self.claim()).await,
                Err(full) => Err(full.into()),
            };
            let wait = match claimed {
                Ok(Some(claimed)) => {
                    at.set(Some(claimed.lease.job_id));
                    attempt::run(self, (claimed, sent), drain.clone()).await;
                    at.set(None);
                    continue;
                }
                Ok(None) => self.terms.poll,
                Err(error) => {
                    tracing::warn!(%error, "looking for a job failed");
                    Duration::from_secs(1).min(self.terms.poll)
                }
            };
            tokio::select! {
                () = drain.cancelled() => {}
                () = Bell::wait(&mut listener, Ring::Work, wait) => {}
            }
        }
        announced.abort();
        // Whoever is not told will see it fall silent.
        let _ = within(PATIENCE, store::forget_worker(&self.pool, &self.presence.name)).await;
    }

    async fn claim(&self) -> Result<Option<Claimed>, StoreError> {
        rescuer::rescue(&self.pool, &self.blobs, self.terms).await?;
        let (worker, place) = (self.presence.name.as_str(), self.place.as_deref());
        store::claim(&self.pool, Claimant { worker, place, per_dataset: self.per_dataset }, self.terms.ttl).await
    }
}
