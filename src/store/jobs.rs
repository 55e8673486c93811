//! Jobs as their owners see them: reading, listing, cancelling.

use serde_json::Value;

use time::OffsetDateTime;
use uuid::Uuid;

use super::charges::{Charged, priced, release};
use super::custodial::Custodial;
use super::error::StoreError;
use super::events::Standing;
use super::populations::lock;
use super::scope::Scope;
use crate::privacy::Price;

/// The state of a job.
///
/// ```text
///                +------------------> cancelled
///                |                        ^
/// submit --> queued --claim--> running ---+--> succeeded
///                ^                |       |
///                +---hand back----+       +--> failed
///                    or rescue
/// ```
/// The database keeps to it by itself: `jobs_guard` in `migrations/0003_jobs.sql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Waiting for a worker.
    Queued,
    /// Under a lease.
    Running,
    /// Finished with results.
    Succeeded,
    /// Finished without results.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl JobStatus {
    /// The states that may come next.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Queued => &[Self::Running, Self::Cancelled],
            Self::Running => &[Self::Queued, Self::Succeeded, Self::Failed, Self::Cancelled],
            Self::Succeeded | Self::Failed | Self::Cancelled => &[],
        }
    }

    /// Whether the job will never change again.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.next().is_empty()
    }

    /// The state with this word.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];
        all.into_iter().find(|status| status.word() == word)
    }

    /// The word for it in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What no epsilon covers about a job: it may depend on private rows.
#[derive(Clone, Debug)]
pub struct ExactJob {
    /// Seconds since the stage began in this attempt.
    pub stage_seconds: Option<f64>,
    /// The step with which this attempt entered the stage.
    pub stage_first_step: Option<i32>,
    /// How often it was claimed.
    pub attempts: i32,
    /// The failure code.
    pub error: Option<String>,
    /// Where this attempt is.
    pub standing: Option<Standing>,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// UUIDv7.
    pub id: Uuid,
    /// The private table.
    pub dataset_id: Uuid,
    /// Its name.
    pub dataset_name: String,
    /// The request as accepted.
    pub request: Value,
    /// Steps, noise and events.
    pub plan: Value,
    /// Where it stands.
    pub status: JobStatus,
    /// How far it ever was.
    pub reached: Option<Standing>,
    /// What may depend on private rows.
    pub exact: Custodial<ExactJob>,
    /// The epsilon that it was planned for.
    pub epsilon: f64,
    /// The delta that it was planned for.
    pub delta: f64,
    /// Whether there is nothing that it will ever be charged for.
    pub free: bool,
    /// When it was first charged.
    pub charged_at: Option<OffsetDateTime>,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// When it was first claimed.
    pub started_at: Option<OffsetDateTime>,
    /// When it reached its final state.
    pub finished_at: Option<OffsetDateTime>,
}

/// A job as the database has it.
struct Row {
    id: Uuid,
    dataset_id: Uuid,
    dataset_name: String,
    request: Value,
    plan: Value,
    status: JobStatus,
    stage: Option<String>,
    step: i32,
    steps: i32,
    reached_stage: Option<String>,
    reached_step: i32,
    reached_steps: i32,
    stage_seconds: Option<f64>,
    stage_first_step: Option<i32>,
    attempts: i32,
    epsilon: f64,
    delta: f64,
    price: Value,
    charged_at: Option<OffsetDateTime>,
    error: Option<String>,
    created_at: OffsetDateTime,
    started_at: Option<OffsetDateTime>,
    finished_at: Option<OffsetDateTime>,
}

impl From<Row> for Job {
    fn from(row: Row) -> Self {
        let Row { stage_seconds, stage_first_step, attempts, error, .. } = row;
        let standing = row.stage.map(|stage| Standing { stage, step: row.step, steps: row.steps });
        let (step, steps) = (row.reached_step, row.reached_steps);
        // Jobs that ended before it was written down were where they ended.
        let reached = row.reached_stage.map(|stage| Standing { stage, step, steps }).or_else(|| standing.clone());
        Self {
            id: row.id,
            dataset_id: row.dataset_id,
            dataset_name: row.dataset_name,
            request: row.request,
            plan: row.plan,
            status: row.status,
            reached,
            exact: Custodial::new(ExactJob { stage_seconds, stage_first_step, attempts, error, standing }),
            epsilon: row.epsilon,
            delta: row.delta,
            free: serde_json::from_value(row.price).is_ok_and(|price: Price| price.is_nothing()),
            charged_at: row.charged_at,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// Which jobs to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobFilter {
    /// Of this dataset.
    pub dataset: Option<Uuid>,
    /// In this state.
    pub status: Option<JobStatus>,
    /// Whether jobs that were put back count as running, as analysts see them.
    pub released: bool,
    /// Older than this id: lists run from the newest to the oldest.
    pub before: Option<Uuid>,
}

/// The job with this id.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn find_job(scope: &impl Scope, id: Uuid) -> Result<Job, StoreError> {
    Ok(sqlx::query_as!(
        Row,
        r#"select j.id, j.dataset_id, d.name as dataset_name, j.request, j.plan, j.status as "status: JobStatus",
                  j.stage, j.step, j.steps, j.reached_stage, j.reached_step, j.reached_steps, j.stage_first_step,
                  j.attempts, j.epsilon, j.delta, j.price, j.charged_at, j.error,
                  extract(epoch from clock_timestamp() - j.stage_started_at)::float8 as stage_seconds,
                  j.created_at, j.started_at, j.finished_at
           from jobs j join datasets d on d.id = j.dataset_id where j.id = $1"#,
        id,
    )
    .fetch_optional(&mut *scope.begin().await?)
    .await?
    .ok_or(StoreError::NotFound("job"))?
    .into())
}

/// Jobs from the newest to the oldest, at most `limit`.
///
/// # Errors
/// Database faults only.
pub async fn list_jobs(scope: &impl Scope, filter: JobFilter, limit: i64) -> Result<Vec<Job>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select j.id, j.dataset_id, d.name as dataset_name, j.request, j.plan, j.status as "status: JobStatus",
                  j.stage, j.step, j.steps, j.reached_stage, j.reached_step, j.reached_steps, j.stage_first_step,
                  j.attempts, j.epsilon, j.delta, j.price, j.charged_at, j.error,
                  extract(epoch from clock_timestamp() - j.stage_started_at)::float8 as stage_seconds,
                  j.created_at, j.started_at, j.finished_at
           from jobs j join datasets d on d.id = j.dataset_id
           where ($1::uuid is null or j.dataset_id = $1) and ($3::uuid is null or j.id < $3)
                 and ($2::text is null or $2 = case
                     when $5 and j.status = 'queued' and j.started_at is not null then 'running' else j.status end)
           order by j.id desc limit $4"#,
        filter.dataset,
        filter.status.map(JobStatus::word),
        filter.before,
        limit,
        filter.released,
    )
    .fetch_all(&mut *scope.begin().await?)
    .await?;
    Ok(rows.into_iter().map(Job::from).collect())
}

/// How many queued jobs of its tenant come before this one, plus one: of higher priority, or older. Tenants take turns.
///
/// # Errors
/// Database faults only.
pub async fn queue_position(scope: &impl Scope, job: &Job) -> Result<i64, StoreError> {
    let before = sqlx::query_scalar!(
        r#"select count(*) as "count!" from jobs j join jobs this on this.id = $1
           where j.status = 'queued' and j.tenant = this.tenant
               and (j.priority > this.priority
                    or j.priority = this.priority and (j.created_at, j.id) < (this.created_at, this.id))"#,
        job.id,
    )
    .fetch_one(&mut *scope.begin().await?)
    .await?;
    Ok(before + 1)
}

/// Cancels a queued job at once and hands its reservation back; asks a running one to stop.
///
/// # Errors
/// [`StoreError::StateConflict`] when it has succeeded or failed; [`StoreError::NotFound`].
pub async fn cancel(scope: &impl Scope, id: Uuid) -> Result<(), StoreError> {
    let mut tx = scope.begin().await?;
    let population = sqlx::query_scalar!("select population_id from jobs where id = $1", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::NotFound("job"))?;
    // Always the population before the job: one order, no deadlock.
    lock(&mut tx, population).await?;
    let job = sqlx::query!(
        r#"select status as "status: JobStatus", price, blocks_claimed, charged_at is not null as "charged!"
           from jobs where id = $1 for update"#,
        id
    )
    .fetch_one(&mut *tx)
    .await?;
    match job.status {
        JobStatus::Queued => {
            sqlx::query!(
                "update jobs set status = 'cancelled', cancel_requested = true, finished_at = now() where id = $1",
                id
            )
            .execute(&mut *tx)
            .await?;
            // A job that was handed back after its charge keeps it.
            let charged = Charged { price: priced(job.price)?, claimed: job.blocks_claimed, any: job.charged };
            release(&mut tx, population, id, &charged).await?;
        }
        JobStatus::Running => {
            sqlx::query!("update jobs set cancel_requested = true where id = $1", id).execute(&mut *tx).await?;
        }
        JobStatus::Cancelled => {}
        JobStatus::Succeeded | JobStatus::Failed => return Err(StoreError::StateConflict(job.status.word())),
    }
    tx.commit().await?;
    Ok(())
}
