//! Messages about the ends of jobs, and what became of them (`migrations/0007_webhooks.sql`).

use std::time::Duration;

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::StoreError;
use super::jobs::JobStatus;
use super::leases::interval;
use super::scope::Scope;

/// A message that was taken to be sent. Released facts alone.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same for every attempt.
    pub id: Uuid,
    /// Where to.
    pub url: String,
    /// Counting this one.
    pub attempts: i32,
    /// The job that ended.
    pub job_id: Uuid,
    /// How.
    pub status: JobStatus,
    /// Its dataset.
    pub dataset_id: Uuid,
    /// The name of that.
    pub dataset_name: String,
    /// When it ended.
    pub finished_at: OffsetDateTime,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver took it.
    Delivered,
    /// To be tried again after about this long.
    Later(Duration),
    /// Given up.
    Dead,
}

/// How the message about a job stands.
#[derive(Clone, Debug)]
pub struct DeliveryState {
    /// The `webhook-id`.
    pub id: Uuid,
    /// `pending`, `delivered` or `dead`.
    pub status: String,
    /// How often it was taken to be sent.
    pub attempts: i32,
    /// The HTTP status of the last answer.
    pub answer: Option<i32>,
    /// Why the last attempt failed.
    pub fault: Option<String>,
    /// When it may be taken next.
    pub due_at: OffsetDateTime,
    /// When it was delivered or given up.
    pub ended_at: Option<OffsetDateTime>,
}

/// Takes at most `most` messages that are due; whoever took one has `lease` to send it, then it is due again.
///
/// # Errors
/// Database faults only.
pub async fn take_deliveries(pool: &PgPool, most: i64, lease: Duration) -> Result<Vec<Delivery>, StoreError> {
    Ok(sqlx::query_as!(
        Delivery,
        // A table expression of its own is asked once, whatever plan the rest gets.
        r#"with due as (
               select id from webhook_deliveries where status = 'pending' and due_at <= clock_timestamp()
               order by due_at for update skip locked limit $1)
           update webhook_deliveries w
           set attempts = w.attempts + 1, due_at = clock_timestamp() + $2::interval
           from due, jobs j join datasets d on d.id = j.dataset_id
           where w.id = due.id and j.id = w.job_id
           returning w.id, w.url, w.attempts, w.job_id, j.status as "status: JobStatus", d.id as dataset_id,
                     d.name as dataset_name, j.finished_at as "finished_at!""#,
        most,
        interval(lease) as _,
    )
    .fetch_all(pool)
    .await?)
}

/// Records what became of an attempt: the HTTP status of the answer, and a word for what went wrong. Changes
/// nothing when another attempt was begun since. Times to wait are spread, so that what failed together does not
/// come again together.
///
/// # Errors
/// Database faults only.
pub async fn settle_delivery(
    pool: &PgPool,
    (id, attempt): (Uuid, i32),
    sent: Sent,
    answer: Option<u16>,
    fault: Option<&str>,
) -> Result<(), StoreError> {
    let (status, wait) = match sent {
        Sent::Delivered => ("delivered", Duration::ZERO),
        Sent::Later(wait) => ("pending", wait),
        Sent::Dead => ("dead", Duration::ZERO),
    };
    sqlx::query!(
        "update webhook_deliveries
         set status = $3, answer = $5, fault = $6, due_at = clock_timestamp() + $4::interval * (0.8 + 0.4 * random()),
             ended_at = case when $3 = 'pending' then null else clock_timestamp() end
         where id = $1 and attempts = $2 and status = 'pending'",
        id,
        attempt,
        status,
        interval(wait) as _,
        answer.map(i32::from),
        fault,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How the message about a job stands; none where it named no receiver or has not ended.
///
/// # Errors
/// Database faults only.
pub async fn delivery_of_job(scope: &impl Scope, job: Uuid) -> Result<Option<DeliveryState>, StoreError> {
    Ok(sqlx::query_as!(
        DeliveryState,
        "select id, status, attempts, answer, fault, due_at, ended_at from webhook_deliveries where job_id = $1",
        job,
    )
    .fetch_optional(&mut *scope.begin().await?)
    .await?)
}
