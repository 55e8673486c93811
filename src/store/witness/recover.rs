//! Writing witnessed lines back into a database that was restored from a backup.
//!
//! Jobs that had begun to spend are ended: what they did after the backup is paid for, but how often they repeated a
//! block is known to nobody. What a lost or ended job held uncharged is handed back. Of the other jobs, those whose
//! checkpoint is not in the storage any more begin anew: they have spent nothing.

use std::collections::HashSet;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::compare::{Rewound, rewound};
use super::copy::witness_all;
use super::page;
use crate::privacy::{Book, Entry, EntryKind, Findings, GrantRecord};
use crate::store::blobs::Blobs;
use crate::store::budgets::{NewBudget, book, found};
use crate::store::error::StoreError;
use crate::store::pool::aside;
use crate::store::populations::{Line, Population, insert, lock, post, update};

/// What became of one ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Whose ledger.
    pub population: Uuid,
    /// Whether the database did not know the population: it has its budget again, but no dataset.
    pub unknown: bool,
    /// Lines that were written back.
    pub lines: i64,
    /// Jobs that were ended because they had begun to spend.
    pub ended: Vec<Uuid>,
    /// Reservations of lost or ended jobs that were handed back.
    pub released: usize,
    /// Why nothing was written, if nothing could be.
    pub fault: Option<String>,
}

/// Writes back what the database lacks of all witnessed ledgers, one after the other, each in one transaction; then
/// witnesses what was written. No server and no worker may run meanwhile. Ledgers that were sound and had nothing
/// begun are not told of.
///
/// # Errors
/// [`StoreError::Blob`], [`StoreError::Unavailable`]: run it again.
pub async fn recover(pool: &PgPool, blobs: &Blobs) -> Result<Vec<Recovered>, StoreError> {
    let lost = rewound(pool, blobs).await?;
    let mut done = Vec::new();
    for population in crate::store::populations(pool).await? {
        if !lost.iter().any(|rewound| rewound.population == population) {
            let (told, book) = (nothing(population), known(pool, population).await?);
            done.push(write_back(pool, told, (&book, &[])).await?);
        }
    }
    for rewound in &lost {
        done.push(one(pool, blobs, rewound).await?);
    }
    forget_checkpoints(pool, blobs).await?;
    done.retain(|told| *told != nothing(told.population));
    if done.iter().all(|told| told.fault.is_none()) {
        witness_all(pool, blobs).await?;
    }
    Ok(done)
}

fn nothing(population: Uuid) -> Recovered {
    Recovered { population, unknown: false, lines: 0, ended: Vec::new(), released: 0, fault: None }
}

async fn known(pool: &PgPool, population: Uuid) -> Result<Book, StoreError> {
    let mut connection = pool.acquire().await?;
    book(&mut connection, population).await
}

/// Writes back one ledger, unless something is wrong with it.
async fn one(pool: &PgPool, blobs: &Blobs, rewound: &Rewound) -> Result<Recovered, StoreError> {
    let told = Recovered { unknown: rewound.kept.is_none(), ..nothing(rewound.population) };
    if rewound.forked {
        let fault = "other lines were written since the database was rewound: restore a newer backup";
        return Ok(Recovered { fault: Some(fault.to_owned()), ..told });
    }
    let known = known(pool, rewound.population).await?;
    let (storage, population, first) = (blobs.clone(), rewound.population, known.len() + 1);
    let last = rewound.witnessed;
    let lines = aside(move || (first..=last).map(|seq| page::read(&storage, population, seq)).collect()).await?;
    let lines: Option<Vec<Entry>> = Vec::into_iter(lines).collect();
    let Some(lines) = lines else {
        return Ok(Recovered { fault: Some("some of the missing lines are not witnessed either".to_owned()), ..told });
    };
    write_back(pool, told, (&known, &lines)).await
}

/// Appends lines that make a sound ledger with those that are known, and settles the jobs that they are about.
async fn write_back(
    pool: &PgPool,
    mut told: Recovered,
    (known, lines): (&Book, &[Entry]),
) -> Result<Recovered, StoreError> {
    let whole = Book::new(told.population, [&known.entries[..], lines].concat());
    let read = whole.clone();
    // A digest says that nothing was changed, and a price that nothing was forged from the start.
    let findings = match aside(move || Ok(read.verify(true))).await? {
        Ok(findings) => findings,
        Err(fault) => return Ok(Recovered { fault: Some(fault.to_string()), ..told }),
    };
    let mut tx = pool.begin().await?;
    if told.unknown {
        found_again(&mut tx, told.population, lines).await?;
    }
    let mut population = lock(&mut tx, told.population).await?;
    if population.entries != known.len() {
        return Err(StoreError::Stale);
    }
    for line in lines {
        insert(&mut tx, told.population, line).await?;
    }
    if !lines.is_empty() {
        take(&mut population, &findings, whole.len());
        update(&mut tx, &population).await?;
    }
    told.lines = lines.len() as i64;
    told.ended = end_begun(&mut tx, told.population).await?;
    told.released = release_lost(&mut tx, &mut population, &whole).await?;
    tx.commit().await?;
    Ok(told)
}

/// Makes a population that the database does not know, from its first grant.
async fn found_again(tx: &mut PgConnection, population: Uuid, lines: &[Entry]) -> Result<(), StoreError> {
    let unreadable = StoreError::Unreadable("a grant");
    let first = lines.first().ok_or(StoreError::NotFound("population"))?;
    let GrantRecord { grant, unit, units_public, .. } = serde_json::from_str(&first.record).map_err(|_| unreadable)?;
    found(tx, population, &NewBudget { grant, unit, units_public }, first.amount).await
}

fn take(population: &mut Population, findings: &Findings, lines: i64) {
    (population.account, population.entries, population.head) = (findings.account, lines, findings.head);
}

/// Ends the unfinished jobs of a population that were charged, or whose reservation is gone already.
async fn end_begun(tx: &mut PgConnection, population: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let ended = sqlx::query_scalar!(
        "update jobs j set status = 'cancelled', cancel_requested = true, lease_expires_at = null, checkpoint = null,
                finished_at = clock_timestamp(),
                charged_at = case when exists (select from ledger_entries e where e.job_id = j.id and e.kind = 'charge')
                                  then coalesce(charged_at, clock_timestamp()) end
         where population_id = $1 and status in ('queued', 'running')
               and exists (select from ledger_entries e
                           where e.population_id = $1 and e.job_id = j.id and e.kind in ('charge', 'release'))
         returning id",
        population,
    )
    .fetch_all(tx)
    .await?;
    Ok(ended)
}

/// Hands back what jobs hold that will not go on.
async fn release_lost(tx: &mut PgConnection, population: &mut Population, whole: &Book) -> Result<usize, StoreError> {
    let waiting = sqlx::query_scalar!(
        "select id from jobs where population_id = $1 and status in ('queued', 'running')",
        population.id,
    )
    .fetch_all(&mut *tx)
    .await?;
    let waiting: HashSet<Uuid> = waiting.into_iter().collect();
    let holdings = whole.holdings().map_err(|_| StoreError::Unreadable("a ledger"))?;
    let lost: Vec<_> = holdings.into_iter().filter(|holding| !waiting.contains(&holding.job)).collect();
    for holding in &lost {
        post(&mut *tx, population, Line::of_job(EntryKind::Release, holding.job, holding.left)).await?;
    }
    Ok(lost.len())
}

/// Lets jobs begin anew whose checkpoint went with the time after the backup.
async fn forget_checkpoints(pool: &PgPool, blobs: &Blobs) -> Result<(), StoreError> {
    let kept = sqlx::query!(
        r#"select id, checkpoint as "name!" from jobs
           where status in ('queued', 'running') and checkpoint is not null"#,
    );
    for job in kept.fetch_all(pool).await? {
        let (storage, name) = (blobs.clone(), job.name);
        if !aside(move || storage.has(&name)).await? {
            sqlx::query!("update jobs set checkpoint = null where id = $1", job.id).execute(pool).await?;
        }
    }
    Ok(())
}
