//! Budgets: granting, raising, reading the whole ledger.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::StoreError;
use super::jobs::JobStatus;
use super::populations::{Line, Population, entries_after, lock, post, standing};
use super::scope::Scope;
use crate::privacy::{Amount, Book, BookFault, Entry, EntryKind, Findings, Grant, GrantRecord, UnitKind};

/// A budget with everything that was written about it, read in one snapshot.
#[derive(Clone, Debug)]
pub struct Budget {
    /// The totals, as they are kept beside the ledger.
    pub population: Population,
    /// The ledger.
    pub book: Book,
    /// The states of the jobs that are named in it.
    pub jobs: HashMap<Uuid, JobStatus>,
}

impl Budget {
    /// Reads the ledger from its first line and compares the totals; `prices` as in [`Book::verify`].
    ///
    /// # Errors
    /// [`BookFault`].
    pub fn verify(&self, prices: bool) -> Result<Findings, BookFault> {
        let findings = self.book.verify(prices)?;
        let kept = &self.population;
        let told = (findings.account, findings.unit, findings.units_public, findings.head);
        if told != (kept.account, kept.unit, kept.units_public, kept.head) || kept.entries != self.book.len() {
            let what = "the totals that are kept beside the ledger are not what it says";
            return Err(BookFault { seq: 0, what: what.to_owned() });
        }
        Ok(findings)
    }
}

/// A budget as it stands, with its ledger.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn budget(scope: &impl Scope, id: Uuid) -> Result<Budget, StoreError> {
    let mut tx = scope.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read read only").execute(&mut *tx).await?;
    let population = standing(&mut *tx, id).await?;
    let book = book(&mut tx, id).await?;
    let jobs = sqlx::query!(
        // Analysts read budgets too, and must not learn that a job was put back.
        r#"select id, case when status = 'queued' and started_at is not null then 'running'
                          else status end as "status!: JobStatus"
           from jobs where population_id = $1"#,
        id,
    )
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Budget { population, book, jobs: jobs.into_iter().map(|job| (job.id, job.status)).collect() })
}

/// A budget as it stands, and the newest lines of its ledger, the oldest of them first, read in one snapshot: for a look,
/// which costs the same however long the ledger is.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn newest_lines(scope: &impl Scope, id: Uuid, most: i64) -> Result<(Population, Vec<Entry>), StoreError> {
    let mut tx = scope.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read read only").execute(&mut *tx).await?;
    let population = standing(&mut *tx, id).await?;
    let entries = entries_after(&mut *tx, id, population.entries - most).await?;
    tx.commit().await?;
    Ok((population, entries))
}

/// The ledger of a population as it is in this transaction.
pub(super) async fn book(tx: &mut PgConnection, population: Uuid) -> Result<Book, StoreError> {
    Ok(Book::new(population, entries_after(tx, population, 0).await?))
}

/// What a custodian grants for a new population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewBudget {
    /// What is guaranteed.
    pub grant: Grant,
    /// What one unit of privacy is.
    pub unit: UnitKind,
    /// About how many units there are, as declared.
    pub units_public: i64,
}

/// Opens a ledger with its first grant.
pub(super) async fn open(tx: &mut PgConnection, new: &NewBudget) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    found(&mut *tx, id, new, new.grant.cap()).await?;
    let mut population = standing(&mut *tx, id).await?;
    let line = granted(&population)?;
    post(tx, &mut population, line).await?;
    Ok(id)
}

/// Makes a population that has spent nothing, without a line of its ledger.
pub(super) async fn found(tx: &mut PgConnection, id: Uuid, new: &NewBudget, cap: Amount) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into populations (id, unit, units_public, epsilon, delta, cap_mu2_pico, cap_leak_atto)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id,
        new.unit.word(),
        new.units_public,
        new.grant.epsilon.get(),
        new.grant.delta.get(),
        cap.mu2_pico,
        cap.leak_atto,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The line for the grant and the cap of a population as they are.
fn granted(population: &Population) -> Result<Line, StoreError> {
    let Population { account, unit, units_public, .. } = *population;
    let record = GrantRecord::new(account.grant, unit, units_public);
    let record = serde_json::to_string(&record).map_err(|_| StoreError::Unreadable("a grant"))?;
    Ok(Line { kind: EntryKind::Grant, job_id: None, block: 0, amount: account.cap, record })
}

/// Raises a grant to a larger epsilon. What was spent stays.
///
/// # Errors
/// [`StoreError::GrantLowered`] when epsilon would fall; [`StoreError::NotFound`].
pub async fn raise(scope: &impl Scope, id: Uuid, grant: Grant) -> Result<(), StoreError> {
    let mut tx = scope.begin().await?;
    let mut population = lock(&mut tx, id).await?;
    let before = population.account.grant;
    if grant.epsilon < before.epsilon || grant.delta != before.delta {
        return Err(StoreError::GrantLowered);
    }
    if grant == before {
        return Ok(());
    }
    // Behind an exact first plan the cap is the plan's charge and what may follow it.
    let book = book(&mut tx, id).await?;
    let cap = tokio::task::spawn_blocking(move || book.cap_of(grant)).await.ok().and_then(Result::ok);
    population.account.grant = grant;
    population.account.cap = cap.ok_or(StoreError::Unreadable("a ledger"))?;
    let line = granted(&population)?;
    post(&mut tx, &mut population, line).await?;
    tx.commit().await?;
    Ok(())
}
