//! Writing lines from the database to the storage.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use sqlx::PgPool;
use uuid::Uuid;

use super::blocks::{self, Begun};
use super::page;
use crate::privacy::Entry;
use crate::store::blobs::Blobs;
use crate::store::error::StoreError;
use crate::store::pool::aside;
use crate::store::populations::{entries_after, entry, length_of, lengths};

/// Witnesses whatever a population's ledger says and the storage does not say yet. When this returns, the lines that
/// were committed when it was called would survive the loss of the database.
///
/// # Errors
/// [`StoreError::Rewound`] when the ledger lacks a witnessed line, or has another one in its place;
/// [`StoreError::Blob`], [`StoreError::Unavailable`]: then try again.
pub async fn witness(pool: &PgPool, blobs: &Blobs, population: Uuid) -> Result<(), StoreError> {
    let lines = length_of(pool, population).await?;
    let known = known(blobs).get(&population).copied();
    let from = match known {
        Some(seq) if seq == lines => return Ok(()),
        Some(seq) => seq,
        None => first(pool, blobs, population).await?,
    };
    if lines < from {
        return Err(StoreError::Rewound(population));
    }
    let entries = entries_after(pool, population, from).await?;
    let last = entries.last().map_or(from, |entry| entry.seq);
    let storage = blobs.clone();
    let agreed = aside(move || {
        let mut agreed = true;
        for entry in &entries {
            agreed &= page::write(&storage, population, entry)?;
        }
        Ok(agreed)
    });
    if !agreed.await? {
        return Err(StoreError::Rewound(population));
    }
    self::known(blobs).insert(population, last);
    Ok(())
}

/// Witnesses the ledger that a job spends on, and the private blocks that it has begun.
///
/// # Errors
/// As [`witness`]; [`StoreError::Rewound`] also when the job had begun more blocks than the database knows.
pub async fn witness_of_job(pool: &PgPool, blobs: &Blobs, job: Uuid) -> Result<(), StoreError> {
    let begun = sqlx::query_as!(
        Begun,
        "select id as job, population_id as population, blocks_claimed as blocks from jobs where id = $1",
        job,
    );
    let begun = begun.fetch_optional(pool).await?.ok_or(StoreError::NotFound("job"))?;
    witness(pool, blobs, begun.population).await?;
    let known_blocks = known(blobs).get(&job).copied();
    if known_blocks == Some(begun.blocks.into()) {
        return Ok(());
    }
    let storage = blobs.clone();
    if !aside(move || blocks::write(&storage, &begun)).await? {
        return Err(StoreError::Rewound(begun.population));
    }
    known(blobs).insert(job, begun.blocks.into());
    Ok(())
}

/// Witnesses all ledgers.
///
/// # Errors
/// As [`witness`]; ledgers after the one that failed are not looked at.
pub async fn witness_all(pool: &PgPool, blobs: &Blobs) -> Result<(), StoreError> {
    for (population, lines) in lengths(pool).await? {
        if known(blobs).get(&population) != Some(&lines) {
            witness(pool, blobs, population).await?;
        }
    }
    Ok(())
}

/// The last line that is witnessed, which this process has not looked for before; the ledger must have it too.
async fn first(pool: &PgPool, blobs: &Blobs, population: Uuid) -> Result<i64, StoreError> {
    let Some(last) = newest(blobs, population).await? else { return Ok(0) };
    match entry(pool, population, last.seq).await? {
        Some(kept) if kept == last => Ok(last.seq),
        _ => Err(StoreError::Rewound(population)),
    }
}

/// The newest witnessed line of a population.
pub(super) async fn newest(blobs: &Blobs, population: Uuid) -> Result<Option<Entry>, StoreError> {
    let storage = blobs.clone();
    aside(move || match page::last(&storage, population)? {
        0 => Ok(None),
        last => page::read(&storage, population, last),
    })
    .await
}

fn known(blobs: &Blobs) -> MutexGuard<'_, HashMap<Uuid, i64>> {
    // One number each: whoever panicked while holding it left none of them half-changed.
    blobs.witnessed.lock().unwrap_or_else(PoisonError::into_inner)
}
