//! Admission: the reservation and the job in one transaction, under the budget's row lock.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::edges::commit;
use super::error::StoreError;
use super::populations::{Line, Population, lock, post};
use super::scope::Scope;
use crate::privacy::{Account, EntryKind, Grant, Price, RECORD_VERSION, ReservationRecord, Rule, Work};

/// A job that is ready to be admitted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The private table.
    pub dataset_id: Uuid,
    /// Whose budget it spends.
    pub population_id: Uuid,
    /// The request as accepted.
    pub request: Value,
    /// Steps, noise and events.
    pub plan: Value,
    /// The (epsilon, delta) that it was planned for.
    pub planned: Grant,
    /// A table that it trains on besides, which must be declared public.
    pub public_table: Option<Uuid>,
    /// Everything private that it may do.
    pub work: Work,
    /// Facts about its mechanisms that the accounting rests on.
    pub facts: Value,
    /// What it costs on `priced_on`.
    pub price: Price,
    /// The account that the price was found on.
    pub priced_on: Account,
    /// Among the jobs of the tenant the higher goes first; -100 to 100.
    pub priority: i16,
    /// How many jobs may wait.
    pub room: QueueRoom,
}

/// How many jobs may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRoom {
    /// In all.
    pub all: i64,
    /// Of one tenant.
    pub per_tenant: i64,
}

impl QueueRoom {
    /// Room for as many as come.
    pub const ENDLESS: Self = Self { all: i64::MAX, per_tenant: i64::MAX };
}

/// A request that may be repeated without a second job.
#[derive(Clone, Copy, Debug)]
pub struct Idempotency<'a> {
    /// The client's key.
    pub key: &'a str,
    /// SHA-256 of the body, in hex.
    pub body: &'a str,
}

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The job.
    pub job_id: Uuid,
    /// Whether this submission made it, or an earlier one with the same key did.
    pub fresh: bool,
}

/// Admits a job, or refuses and leaves nothing behind.
///
/// # Errors
/// [`StoreError::Stale`] when the account has changed in a way that changes the price: price it
/// again. [`StoreError::BudgetExhausted`], [`StoreError::NoRows`], [`StoreError::IdempotencyMismatch`],
/// [`StoreError::NotFound`]. [`StoreError::NotPublic`] for a job that would use private rows at no cost: as
/// another table's, or without any private work. [`StoreError::QueueFull`].
pub async fn submit(scope: &impl Scope, new: &NewJob, once: Option<Idempotency<'_>>) -> Result<Submission, StoreError> {
    let mut tx = scope.begin().await?;
    let mut population = lock(&mut tx, new.population_id).await?;
    if let Some(once) = once
        && let Some(job_id) = seen(&mut tx, once).await?
    {
        return Ok(Submission { job_id, fresh: false });
    }
    if !still_holds(new, &population.account) {
        return Err(StoreError::Stale);
    }
    check_room(&mut tx, new).await?;
    population.account.admit(new.price.whole).map_err(StoreError::BudgetExhausted)?;
    let free = new.work == Work::nothing();
    for public in new.public_table.into_iter().chain(free.then_some(new.dataset_id)) {
        check_public(&mut tx, public).await?;
    }
    if let Some(public) = new.public_table {
        check_there(&mut tx, public, &new.plan).await?;
    }
    let version = newest_version(&mut tx, new.dataset_id).await?;
    let job_id = Uuid::now_v7();
    insert(&mut tx, job_id, version, new).await?;
    let line = reservation(job_id, new, &population)?;
    post(&mut tx, &mut population, line).await?;
    if let Some(once) = once {
        remember(&mut tx, once, job_id).await?;
    }
    commit(tx, "submit").await?;
    Ok(Submission { job_id, fresh: true })
}

/// Refuses a job for which there is no room in the queue. Submissions of one moment may go over by their number.
async fn check_room(tx: &mut PgConnection, NewJob { dataset_id, room, .. }: &NewJob) -> Result<(), StoreError> {
    if *room == QueueRoom::ENDLESS {
        return Ok(());
    }
    let queued = sqlx::query!(
        r#"select jobs_queued() as "all!", count(*) as "own!" from jobs
           where status = 'queued' and tenant = (select d.tenant from datasets d where d.id = $1)"#,
        dataset_id,
    )
    .fetch_one(tx)
    .await?;
    if queued.own >= room.per_tenant {
        return Err(StoreError::QueueFull("of yours"));
    }
    if queued.all >= room.all { Err(StoreError::QueueFull("in all")) } else { Ok(()) }
}

/// Whether a price that was found on an earlier state of the account is good for this one.
fn still_holds(new: &NewJob, now: &Account) -> bool {
    let then = &new.priced_on;
    let first = new.price.rule != Rule::Certificate;
    now.next_leak_atto() == then.next_leak_atto() && (!first || (now.is_untouched() && now.cap == then.cap))
}

fn reservation(job_id: Uuid, new: &NewJob, population: &Population) -> Result<Line, StoreError> {
    let account = population.account;
    let record = ReservationRecord {
        version: RECORD_VERSION,
        planned: new.planned,
        work: new.work.clone(),
        facts: new.facts.clone(),
        price: new.price,
        spent_before: account.spent,
        reserved_before: account.reserved,
        cap_before: account.cap,
    };
    let record = serde_json::to_string(&record).map_err(|_| StoreError::Unreadable("a plan"))?;
    Ok(Line { record, ..Line::of_job(EntryKind::Reservation, job_id, new.price.whole) })
}

/// Refuses a dataset that is not declared public; keeps it from being deleted before the job is there.
async fn check_public(tx: &mut PgConnection, dataset: Uuid) -> Result<(), StoreError> {
    let public =
        sqlx::query_scalar!("select public from datasets where id = $1 and deleted_at is null for share", dataset);
    match public.fetch_optional(tx).await?.ok_or(StoreError::NotFound("dataset"))? {
        true => Ok(()),
        false => Err(StoreError::NotPublic),
    }
}

/// The upload that a job of now trains on; keeps the dataset from being deleted before the job is there.
async fn newest_version(tx: &mut PgConnection, dataset: Uuid) -> Result<i32, StoreError> {
    sqlx::query_scalar!("select id from datasets where id = $1 and deleted_at is null for share", dataset)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound("dataset"))?;
    let newest = sqlx::query!(
        r#"select version, blob is not null as "there!" from dataset_versions
           where dataset_id = $1 order by version desc limit 1"#,
        dataset,
    );
    newest
        .fetch_optional(tx)
        .await?
        .filter(|newest| newest.there)
        .map(|newest| newest.version)
        .ok_or(StoreError::NoRows)
}

/// Refuses a plan on rows of a public table whose time was over since it was made. The table's row is locked by now.
async fn check_there(tx: &mut PgConnection, dataset: Uuid, plan: &Value) -> Result<(), StoreError> {
    let there = sqlx::query_scalar!(
        r#"select exists (select from dataset_versions
                          where dataset_id = $1 and version::text = $2::jsonb #>> '{public_table,version}'
                              and blob is not null) as "there!""#,
        dataset,
        plan,
    );
    if there.fetch_one(tx).await? { Ok(()) } else { Err(StoreError::NoRows) }
}

/// The job of an earlier submission with this key, for an answer without planning anew. That there is none is
/// certain only within [`submit`].
///
/// # Errors
/// [`StoreError::IdempotencyMismatch`].
pub async fn submitted(scope: &impl Scope, once: Idempotency<'_>) -> Result<Option<Uuid>, StoreError> {
    seen(&mut *scope.begin().await?, once).await
}

/// The job of an earlier submission with this key.
async fn seen(tx: &mut PgConnection, once: Idempotency<'_>) -> Result<Option<Uuid>, StoreError> {
    let known = sqlx::query!(
        "select body, job_id from idempotency_keys where tenant = tenant_asking() and key = $1",
        once.key,
    );
    match known.fetch_optional(tx).await? {
        Some(known) if known.body != once.body => Err(StoreError::IdempotencyMismatch),
        known => Ok(known.map(|k| k.job_id)),
    }
}

async fn insert(tx: &mut PgConnection, id: Uuid, version: i32, new: &NewJob) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta, price,
                           blocks_allowed, tenant, priority)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (select d.tenant from datasets d where d.id = $2), $11)",
        id,
        new.dataset_id,
        version,
        new.population_id,
        new.request,
        new.plan,
        new.planned.epsilon.get(),
        new.planned.delta.get(),
        serde_json::to_value(new.price).map_err(|_| StoreError::Unreadable("a price"))?,
        new.work.blocks_charged() as i32,
        new.priority,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn remember(tx: &mut PgConnection, once: Idempotency<'_>, job: Uuid) -> Result<(), StoreError> {
    sqlx::query!("insert into idempotency_keys (key, body, job_id) values ($1, $2, $3)", once.key, once.body, job)
        .execute(tx)
        .await
        // The same key at the same moment on another population is another request by definition.
        .map_err(|e| match StoreError::constraint(&e) {
            Some("idempotency_keys_pk") => StoreError::IdempotencyMismatch,
            _ => e.into(),
        })?;
    Ok(())
}
