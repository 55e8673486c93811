//! Destroying what is kept no longer: uploads, and what jobs left, each in its time.
//!
//! One transaction for each dataset, under the lock of its row, which submissions hold a share of: what a job that is
//! queued or running needs is there until it ends. With the rows the keys go, by triggers, and the same transaction says
//! what was destroyed and writes the lines of the audit log. So a sweep is told of exactly once, however many servers sweep
//! and wherever one of them dies. Blobs are removed after it; those of a server that died then are orphans that nothing
//! opens ([`super::orphans`]).

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::audit::{AuditCompletion, AuditLine, AuditOpening, append_lines};
use super::blobs::Blobs;
use super::deletion::unnamed;
use super::edges::commit;
use super::error::StoreError;
use super::leases::interval;
use super::pool::aside;
use super::retention::{Keep, Retention, Term};

/// Jobs whose results go in one transaction.
const LOT: i64 = 100;
const HOURS_OF_DAY: i32 = 24;

/// What was destroyed because its time was over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Uploads.
    pub uploads: usize,
    /// Jobs whose results were.
    pub jobs: usize,
    /// Blobs that nothing names any more.
    pub blobs: Vec<String>,
}

impl Destroyed {
    fn is_nothing(&self) -> bool {
        self.uploads == 0 && self.jobs == 0
    }
}

/// Destroys what is due `ahead` of now, by the database's clock: keys and rows, then blobs. A fault on one dataset is no
/// hindrance for the next one.
///
/// # Errors
/// The last [`StoreError::Unavailable`] or [`StoreError::Blob`]; what was destroyed before stays so.
pub async fn sweep_due(
    pool: &PgPool,
    blobs: &Blobs,
    retention: &Retention,
    ahead: Duration,
) -> Result<Destroyed, StoreError> {
    let (mut all, mut fault) = (Destroyed::default(), None);
    for dataset in due(pool, retention, ahead).await? {
        loop {
            let destroyed = match destroy(pool, dataset, retention, ahead).await {
                Ok(destroyed) if destroyed.is_nothing() => break,
                Ok(destroyed) => destroyed,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            };
            let (storage, names) = (blobs.clone(), destroyed.blobs.clone());
            if let Err(error) = aside(move || storage.remove_all(names.iter().map(String::as_str))).await {
                fault = Some(error);
            }
            all.uploads += destroyed.uploads;
            all.jobs += destroyed.jobs;
            all.blobs.extend(destroyed.blobs);
        }
    }
    fault.map_or(Ok(all), Err)
}

/// Datasets of which something may be due.
async fn due(pool: &PgPool, retention: &Retention, ahead: Duration) -> Result<Vec<Uuid>, StoreError> {
    let everywhere = retention.rows.of(None).or(retention.results.of(None)).is_some();
    let oldest = sqlx::query!(
        r#"select d.id, d.keep_rows_days, d.keep_results_days, clock_timestamp() + $1::interval as "now!",
                  (select min(v.created_at) from dataset_versions v
                   where v.dataset_id = d.id and v.blob is not null) as upload,
                  (select min(j.finished_at) from jobs j
                   where j.dataset_id = d.id and exists (select from artifacts a where a.job_id = j.id)) as results
           from datasets d
           where $2 or d.keep_rows_days > 0 or d.keep_results_days > 0 order by d.id"#,
        interval(ahead) as _,
        everywhere,
    );
    let oldest = oldest.fetch_all(pool).await?.into_iter().filter(|of| {
        let keep = Keep::of(of.keep_rows_days, of.keep_results_days);
        let over = |term: Term, chosen, since: Option<OffsetDateTime>| {
            term.end(chosen, since).is_some_and(|end| end <= of.now)
        };
        over(retention.rows, keep.rows_days, of.upload) || over(retention.results, keep.results_days, of.results)
    });
    Ok(oldest.map(|of| of.id).collect())
}

/// Destroys what is due of one dataset, or some of it, in one transaction; the blobs are left to the caller.
///
/// # Errors
/// Database faults only; then nothing was destroyed, unless the answer to the commit was lost.
pub async fn destroy(
    pool: &PgPool,
    dataset: Uuid,
    retention: &Retention,
    ahead: Duration,
) -> Result<Destroyed, StoreError> {
    let mut tx = pool.begin().await?;
    // Submissions and uploads hold this lock, or a share of it, and so does whoever chooses the days anew.
    let of = sqlx::query!(
        r#"select tenant, keep_rows_days, keep_results_days, clock_timestamp() + $2::interval as "now!"
           from datasets where id = $1 for update"#,
        dataset,
        interval(ahead) as _,
    );
    let Some(of) = of.fetch_optional(&mut *tx).await? else { return Ok(Destroyed::default()) };
    let keep = Keep::of(of.keep_rows_days, of.keep_results_days);
    let (mut destroyed, mut blobs, mut objects) = (Destroyed::default(), Vec::new(), vec![dataset.to_string()]);
    if let Some(days) = retention.rows.of(keep.rows_days) {
        let uploads = uploads(&mut tx, dataset, days, of.now).await?;
        destroyed.uploads = uploads.len();
        blobs.extend(uploads);
    }
    if let Some(days) = retention.results.of(keep.results_days) {
        let results = results(&mut tx, dataset, days, of.now).await?;
        let mut jobs: Vec<String> = results.iter().map(|(job, _)| job.to_string()).collect();
        jobs.dedup();
        destroyed.jobs = jobs.len();
        objects.extend(jobs);
        blobs.extend(results.into_iter().map(|(_, blob)| blob));
    }
    if destroyed.is_nothing() {
        return Ok(destroyed);
    }
    destroyed.blobs = unnamed(&mut tx, blobs).await?;
    // The end of the log is locked last, and for a moment alone: requests wait for it.
    let opening = AuditLine::Opened(AuditOpening::of_sweep(&of.tenant, objects));
    let opened = append_lines(&mut tx, vec![opening]).await?.into_iter();
    let completed = |opened| AuditCompletion { opened, status: Some(200), objects: Vec::new() };
    append_lines(&mut tx, opened.map(completed).map(AuditLine::Completed).collect()).await?;
    commit(tx, "sweep").await?;
    Ok(destroyed)
}

/// Destroys uploads that nothing needs; gives their blobs.
async fn uploads(
    tx: &mut PgConnection,
    dataset: Uuid,
    days: u32,
    now: OffsetDateTime,
) -> Result<Vec<String>, StoreError> {
    // Days of 24 hours: those of a calendar depend on the time zone of the session.
    Ok(sqlx::query_scalar!(
        r#"with due as materialized (
             select v.version, v.blob, v.created_at + make_interval(hours => $3::int * $5::int) as due_at
             from dataset_versions v
             where v.dataset_id = $1 and v.blob is not null
                 and v.created_at + make_interval(hours => $3::int * $5::int) <= $4
                 and not exists (
                     select from jobs j where j.status in ('queued', 'running')
                         and (j.dataset_id = $1 and j.dataset_version = v.version
                              or j.plan #>> '{public_table,dataset}' = $2
                                 and j.plan #>> '{public_table,version}' = v.version::text))),
         gone as (
             update dataset_versions v set blob = null, sha256 = null from due
             where v.dataset_id = $1 and v.version = due.version),
         told as (
             insert into destructions (dataset_id, version, days, due_at, destroyed_at)
             select $1, version, $3, due_at, $4 from due)
         select blob as "blob!" from due"#,
        dataset,
        dataset.to_string(),
        days as i32,
        now,
        HOURS_OF_DAY,
    )
    .fetch_all(tx)
    .await?)
}

/// Destroys what some jobs left; gives the jobs and the blobs, job by job.
async fn results(
    tx: &mut PgConnection,
    dataset: Uuid,
    days: u32,
    now: OffsetDateTime,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let gone = sqlx::query!(
        r#"with due as materialized (
             select j.id, j.finished_at + make_interval(hours => $2::int * $5::int) as due_at
             from jobs j
             where j.dataset_id = $1 and j.finished_at + make_interval(hours => $2::int * $5::int) <= $3
                 and exists (select from artifacts a where a.job_id = j.id)
             order by j.finished_at, j.id limit $4),
         gone as (
             delete from artifacts a using due where a.job_id = due.id returning a.job_id, a.blob),
         told as (
             insert into destructions (dataset_id, job_id, days, due_at, destroyed_at)
             select $1, id, $2, due_at, $3 from due)
         select job_id as "job!", blob as "blob!" from gone order by job_id"#,
        dataset,
        days as i32,
        now,
        LOT,
        HOURS_OF_DAY,
    );
    Ok(gone.fetch_all(tx).await?.into_iter().map(|row| (row.job, row.blob)).collect())
}
