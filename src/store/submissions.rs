//! Admission: the reservation and the job in one transaction, under the budget's row lock.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::budgets::{Move, lock, post};
use super::error::StoreError;
use crate::privacy::Amount;

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
    /// What it costs.
    pub charge: Amount,
    /// Private blocks that the charge covers, spares included.
    pub blocks_allowed: i32,
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
/// [`StoreError::BudgetExhausted`], [`StoreError::NoRows`], [`StoreError::IdempotencyMismatch`],
/// [`StoreError::NotFound`].
pub async fn submit(pool: &PgPool, new: &NewJob, once: Option<Idempotency<'_>>) -> Result<Submission, StoreError> {
    let mut tx = pool.begin().await?;
    let account = lock(&mut tx, new.population_id).await?;
    if let Some(once) = once
        && let Some(job_id) = seen(&mut tx, once).await?
    {
        return Ok(Submission { job_id, fresh: false });
    }
    account.admit(new.charge).map_err(StoreError::BudgetExhausted)?;
    let version =
        sqlx::query_scalar!("select max(version) from dataset_versions where dataset_id = $1", new.dataset_id)
            .fetch_one(&mut *tx)
            .await?
            .ok_or(StoreError::NoRows)?;
    let job_id = Uuid::now_v7();
    insert(&mut tx, job_id, version, new).await?;
    post(&mut tx, new.population_id, job_id, new.charge, (Move::Reserve, None)).await?;
    if let Some(once) = once {
        remember(&mut tx, once, job_id).await?;
    }
    tx.commit().await?;
    Ok(Submission { job_id, fresh: true })
}

/// The job of an earlier submission with this key.
async fn seen(tx: &mut PgConnection, once: Idempotency<'_>) -> Result<Option<Uuid>, StoreError> {
    let known =
        sqlx::query!("select body, job_id from idempotency_keys where key = $1", once.key).fetch_optional(tx).await?;
    match known {
        Some(known) if known.body != once.body => Err(StoreError::IdempotencyMismatch),
        known => Ok(known.map(|k| k.job_id)),
    }
}

async fn insert(tx: &mut PgConnection, id: Uuid, version: i32, new: &NewJob) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon_pico, delta_atto,
                           blocks_allowed)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id,
        new.dataset_id,
        version,
        new.population_id,
        new.request,
        new.plan,
        new.charge.epsilon_pico,
        new.charge.delta_atto,
        new.blocks_allowed,
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
