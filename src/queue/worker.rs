//! A worker: claims jobs one after the other until it is told to drain.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::attempt;
use super::terms::LeaseTerms;
use super::tether::PATIENCE;
use crate::engine::Machine;
use crate::model::Compute;
use crate::store::models::Models;
use crate::store::{self, Bell, Blobs, within};

/// Everything a worker needs.
#[derive(Clone)]
pub struct Worker {
    /// The database.
    pub pool: PgPool,
    /// The folder of blobs.
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
    /// Works until `drain` is cancelled; a job at work is then handed back.
    pub async fn run(&self, drain: CancellationToken) {
        let mut listener = self.bell.listener();
        while !drain.is_cancelled() {
            let sent = Instant::now();
            let wait = match within(PATIENCE, store::claim(&self.pool, &self.name, self.terms.ttl)).await {
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
