//! The attempts at a job: who claimed it when, and how that ended. Triggers write them.

use time::OffsetDateTime;
use uuid::Uuid;

use super::custodial::Custodial;
use super::error::StoreError;
use super::scope::Scope;

/// One claim of a job.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// 1, 2, 3 in the order of claiming.
    pub epoch: i64,
    /// Who held the lease.
    pub worker: Option<String>,
    /// When it was claimed.
    pub started_at: OffsetDateTime,
    /// When it ended; `None` while it goes on.
    pub ended_at: Option<OffsetDateTime>,
    /// `succeeded`, `failed`, `cancelled`, `handed_back` or `lost`.
    pub outcome: Option<String>,
    /// Why it was not a success.
    pub reason: Option<String>,
}

/// The attempts at a job, the first first. How often something had to be tried may depend on private rows.
///
/// # Errors
/// Database faults only.
pub async fn attempts(scope: &impl Scope, job: Uuid) -> Result<Custodial<Vec<Attempt>>, StoreError> {
    let attempts = sqlx::query_as!(
        Attempt,
        "select lease_epoch as epoch, worker, started_at, ended_at, outcome, reason from job_attempts
         where job_id = $1 order by lease_epoch",
        job,
    )
    .fetch_all(&mut *scope.begin().await?)
    .await?;
    Ok(Custodial::new(attempts))
}
