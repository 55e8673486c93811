//! Blobs that no row names: what a crash between a publication and its row leaves behind.
//!
//! A blob is named a moment after it was published, or never, with one exception: what a running job has made waits
//! for the job's last transaction. So an orphan is a blob that is older than an hour, that no row names, and that no
//! running job can have made. The order of the questions matters: first what is stored, then which jobs run, then what is
//! named. A job that ended before the second question has its rows before the third; one that begins after it makes
//! blobs that were not listed.
//!
//! An orphan is unreadable as it lies there: its key is kept with the row that names it, or never ([`super::sealed`]).
//!
//! Removal needs no lock against uploads of the same content, since each publication has a name of its own: a name
//! that was seen as an orphan is never published again.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use sqlx::PgPool;
use time::OffsetDateTime;

use super::blobs::{Blobs, Seen};
use super::error::StoreError;
use super::pool::aside;

/// Names that are looked up at a time.
const LOT: usize = 1000;
/// What clocks of the database and of the storage may differ by.
const SKEW: Duration = Duration::from_secs(3600);

/// What was swept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that nothing named, forgotten keys among them.
    pub blobs: usize,
    /// Files that dead writers left half-written.
    pub unfinished: usize,
}

/// Removes blobs that are older than `age` and that nothing names, and what dead writers left half-written.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Blob`]; what was swept before stays swept.
pub async fn sweep_orphans(pool: &PgPool, blobs: &Blobs, age: Duration) -> Result<Swept, StoreError> {
    let storage = blobs.clone();
    let (unfinished, old) = aside(move || Ok((storage.clear_unfinished(age)?, storage.older_than(age)?))).await?;
    let made_by_running = oldest_running(pool).await?;
    let mut swept = Swept { unfinished, ..Swept::default() };
    for lot in old.chunks(LOT) {
        let names: Vec<String> = lot.iter().map(|seen| seen.name.clone()).collect();
        let named = named(pool, &names).await?;
        let unnamed: Vec<Seen> = lot.iter().filter(|seen| !named.contains(&seen.name)).cloned().collect();
        if unnamed.is_empty() {
            continue;
        }
        let storage = blobs.clone();
        swept.blobs += aside(move || {
            let mut orphans = Vec::new();
            for seen in &unnamed {
                // A key that is not sealed is named at once or never, so it need not wait for jobs that run.
                if made_by_running.is_none_or(|began| seen.modified < began) || storage.is_key(seen)? {
                    orphans.push(seen.name.as_str());
                }
            }
            storage.remove_all(orphans.iter().copied())?;
            Ok(orphans.len())
        })
        .await?;
    }
    Ok(swept)
}

/// Which of these names something points to.
async fn named(pool: &PgPool, names: &[String]) -> Result<HashSet<String>, StoreError> {
    let named = sqlx::query_scalar!(
        r#"select name as "name!" from unnest($1::text[]) as lot (name)
           where exists (select from dataset_versions where blob = name)
              or exists (select from artifacts where blob = name)
              or exists (select from jobs where checkpoint = name)"#,
        names,
    )
    .fetch_all(pool)
    .await?;
    Ok(named.into_iter().collect())
}

/// The moment before which no running job can have made a blob; none when no job runs.
async fn oldest_running(pool: &PgPool) -> Result<Option<SystemTime>, StoreError> {
    let began: Option<OffsetDateTime> =
        sqlx::query_scalar!("select min(started_at) from jobs where status = 'running'").fetch_one(pool).await?;
    Ok(began.map(|began| SystemTime::from(began) - SKEW))
}
