//! Whether the database knows everything that is witnessed.

use sqlx::PgPool;
use uuid::Uuid;

use super::blocks;
use super::copy::newest;
use super::page;
use crate::store::blobs::Blobs;
use crate::store::error::StoreError;
use crate::store::pool::aside;
use crate::store::populations::{entry, length_of};

/// A ledger that lacks lines which were committed before, or whose jobs had begun more than the database knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewound {
    /// Whose ledger.
    pub population: Uuid,
    /// Lines that are witnessed.
    pub witnessed: i64,
    /// Lines that the database has; none when it does not know the population.
    pub kept: Option<i64>,
    /// Whether the ledger goes on differently from how it is witnessed: lines were written since the database was
    /// rewound, and the lost ones have no place any more.
    pub forked: bool,
    /// Unfinished jobs that had begun more private blocks than the database knows.
    pub set_back: Vec<Uuid>,
}

impl Rewound {
    /// Lines that are missing.
    #[must_use]
    pub fn missing(&self) -> i64 {
        (self.witnessed - self.kept.unwrap_or(0)).max(0)
    }
}

/// The ledgers that the database does not know as they are witnessed: it was restored from a backup, or it is
/// another one. Nothing may be spent on them.
///
/// # Errors
/// [`StoreError::Blob`], [`StoreError::Unavailable`].
pub async fn rewound(pool: &PgPool, blobs: &Blobs) -> Result<Vec<Rewound>, StoreError> {
    let jobs = blocks::set_back(pool, blobs).await?;
    let storage = blobs.clone();
    let mut found = Vec::new();
    for population in aside(move || page::populations(&storage)).await? {
        let Some(last) = newest(blobs, population).await? else { continue };
        let kept = match length_of(pool, population).await {
            Ok(lines) => Some(lines),
            Err(StoreError::NotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let lines = kept.unwrap_or(0);
        let forked = if lines >= last.seq {
            entry(pool, population, last.seq).await?.as_ref() != Some(&last)
        } else {
            lines > 0 && differs(pool, blobs, (population, lines)).await?
        };
        let mine = jobs.iter().filter(|(of, _)| *of == population);
        let set_back: Vec<Uuid> = mine.map(|(_, job)| *job).collect();
        if forked || lines < last.seq || !set_back.is_empty() {
            found.push(Rewound { population, witnessed: last.seq, kept, forked, set_back });
        }
    }
    Ok(found)
}

/// Whether the last line that the database has is witnessed as another one.
async fn differs(pool: &PgPool, blobs: &Blobs, (population, seq): (Uuid, i64)) -> Result<bool, StoreError> {
    let storage = blobs.clone();
    let witnessed = aside(move || page::read(&storage, population, seq)).await?;
    Ok(witnessed.is_some() && witnessed != entry(pool, population, seq).await?)
}
