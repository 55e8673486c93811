//! A worker: claims jobs one after the other until it is told to drain.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::attempt;
use super::terms::LeaseTerms;
use crate::engine::Machine;
use crate::model::Compute;
use crate::store::models::Models;
use crate::store::{self, Bell, Blobs};

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
    /// The name under which its leases are held.
    pub name: String,
}

impl Worker {
    /// Whether there is room for a checkpoint: a job that could not keep one would only use up its spare blocks.
    async fn check_room(&self) -> std::io::Result<()> {
        let blobs = self.blobs.clone();
        tokio::task::spawn_blocking(move || blobs.check_room()).await?
    }

    /// Works until `drain` is cancelled; a job at work is then handed back.
    pub async fn run(&self, drain: CancellationToken) {
        let mut listener = self.bell.listener();
        while !drain.is_cancelled() {
            let sent = Instant::now();
            let claimed = match self.check_room().await {
                Ok(()) => store::claim(&self.pool, &self.name, self.terms.ttl).await,
                Err(full) => Err(full.into()),
            };
            let wait = match claimed {
                Ok(Some(claimed)) => {
                    attempt::run(self, (claimed, sent), drain.clone()).await;
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
                () = Bell::wait(&mut listener, None, wait) => {}
            }
        }
    }
}
