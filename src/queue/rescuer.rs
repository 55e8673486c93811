//! The rescuer of a server: no job waits for a worker to find out that another one died.

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::terms::LeaseTerms;
use crate::store::{self, Blobs, Patience, StoreError};

/// Looks after lost jobs until `stop` is cancelled.
pub async fn watch(pool: PgPool, blobs: Blobs, terms: LeaseTerms, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = rescue(&pool, &blobs, terms).await {
            tracing::warn!(%error, "looking for lost jobs failed");
        }
        let _ = tokio::time::timeout(terms.poll, stop.cancelled()).await;
    }
}

/// Rescues what there is to rescue; a job that ended so leaves no checkpoint, nor the key that may be in it.
pub(super) async fn rescue(pool: &PgPool, blobs: &Blobs, terms: LeaseTerms) -> Result<(), StoreError> {
    let patience = Patience { max_attempts: terms.max_attempts, backoff: terms.backoff };
    for rescued in store::rescue(pool, patience).await? {
        tracing::warn!(job = %rescued.job_id, ended = rescued.ended, "a worker fell silent");
        if let Some(checkpoint) = rescued.checkpoint {
            blobs.remove(&checkpoint)?;
        }
    }
    Ok(())
}
