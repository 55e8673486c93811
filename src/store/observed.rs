//! What is told of an installation as a whole: counts and sums, of nobody in particular.
//!
//! Each statement reads what is under way (partial indexes of the queue), what happened since it was asked last, or a table
//! that has few rows: what an observation takes does not grow with the history.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::error::StoreError;
use super::pool::lent_clean;

/// A budget is low from this share on, with what is held for admitted jobs.
const LOW: f64 = 0.9;
/// And used up from this one: less is left than any job is planned for.
const USED_UP: f64 = 0.999;

/// Jobs that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    /// How many, all in all.
    pub jobs: i64,
    /// Those among them that wait to be tried again.
    pub again: i64,
    /// Seconds since the oldest was accepted; 0 where none waits.
    pub oldest_seconds: f64,
}

/// Running jobs that are at the same stage.
#[derive(Clone, Debug, PartialEq)]
pub struct AtStage {
    /// The stage; `none` for jobs that have just been claimed.
    pub stage: String,
    /// How many.
    pub jobs: i64,
    /// Those whose lease ran out: their worker is gone, and nobody has put them back yet.
    pub lost: i64,
    /// Steps a second of all of them, on average since each entered the stage.
    pub steps_per_second: f64,
    /// Rows a second of those that generate.
    pub rows_per_second: f64,
}

/// Workers that were heard of within a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workforce {
    /// Where they train, without the number of a card: `cpu` or `cuda`.
    pub device: String,
    /// `idle`, `working`, `draining`, or `silent`.
    pub state: String,
    /// How many.
    pub workers: i64,
}

/// All budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budgets {
    /// How many.
    pub all: i64,
    /// Those of which at least `LOW` is spent or held, but less than `USED_UP`.
    pub low: i64,
    /// Those of which more is.
    pub used_up: i64,
    /// The sum of granted epsilons.
    pub granted_epsilon: f64,
    /// The sum of spent shares: 2 where two budgets are spent, or four are by half.
    pub spent: f64,
}

/// Messages about ends of jobs that wait to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Undelivered {
    /// How many.
    pub messages: i64,
    /// Seconds since the job of the oldest ended; 0 where none waits.
    pub oldest_seconds: f64,
}

/// What training and generation took so far, by where the figure of energy comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkDone {
    /// `rapl`, `nvidia-smi` or `estimate`.
    pub source: String,
    /// Attempts that came to the end of their generation.
    pub attempts: i64,
    /// Seconds by the clock.
    pub seconds: f64,
    /// Seconds of processors, all cores together.
    pub cpu_seconds: f64,
    /// Joules.
    pub joules: f64,
    /// Rows that were written.
    pub rows: i64,
    /// Seconds by the clock that it took to write them.
    pub row_seconds: f64,
}

/// An installation at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Jobs that wait.
    pub waiting: Waiting,
    /// Jobs that run.
    pub running: Vec<AtStage>,
    /// Who works.
    pub workers: Vec<Workforce>,
    /// All budgets.
    pub budgets: Budgets,
    /// Messages to receivers.
    pub undelivered: Undelivered,
    /// What was done so far.
    pub work: Vec<WorkDone>,
}

/// A pool of one connection for observations: they neither wait for those of requests nor take any of them, and a
/// statement that takes two seconds is given up.
#[must_use]
pub fn observing(pool: &PgPool) -> PgPool {
    let options = (*pool.connect_options()).clone().options([("statement_timeout", "2s")]);
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(1500));
    lent_clean(one).connect_lazy_with(options)
}

/// Looks at everything once. A worker is silent that was not heard of for `silent` seconds.
///
/// # Errors
/// Database faults only.
pub async fn observe(connection: &mut PgConnection, silent: f64) -> Result<Observed, StoreError> {
    Ok(Observed {
        waiting: waiting(connection).await?,
        running: running(connection).await?,
        workers: workers(connection, silent).await?,
        budgets: budgets(connection).await?,
        undelivered: undelivered(connection).await?,
        work: sqlx::query_as!(
            WorkDone,
            "select source, attempts, seconds, cpu_seconds, joules, rows, row_seconds from work_done",
        )
        .fetch_all(connection)
        .await?,
    })
}

async fn waiting(connection: &mut PgConnection) -> Result<Waiting, StoreError> {
    Ok(sqlx::query_as!(
        Waiting,
        r#"select count(*) as "jobs!",
                  coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldest_seconds!",
                  -- Only what a worker left has to wait.
                  (select count(*) from jobs where status = 'queued' and fault is not null
                                               and run_after > clock_timestamp()) as "again!"
           from jobs where status = 'queued'"#,
    )
    .fetch_one(connection)
    .await?)
}

async fn running(connection: &mut PgConnection) -> Result<Vec<AtStage>, StoreError> {
    Ok(sqlx::query_as!(
        AtStage,
        r#"with paced as (
               select coalesce(stage, 'none') as stage, lease_expires_at < clock_timestamp() as lost,
                      coalesce((step - stage_first_step)
                          / nullif(extract(epoch from clock_timestamp() - stage_started_at), 0), 0)::float8 as pace,
                      case when stage = 'generate'
                           then (plan ->> 'rows')::float8 / greatest(steps, 1) else 0 end as rows_a_step
               from jobs where status = 'running')
           select stage as "stage!", count(*) as "jobs!", count(*) filter (where lost) as "lost!",
                  coalesce(sum(pace) filter (where not lost), 0) as "steps_per_second!",
                  coalesce(sum(pace * rows_a_step) filter (where not lost), 0) as "rows_per_second!"
           from paced group by stage"#,
    )
    .fetch_all(connection)
    .await?)
}

async fn workers(connection: &mut PgConnection, silent: f64) -> Result<Vec<Workforce>, StoreError> {
    Ok(sqlx::query_as!(
        Workforce,
        r#"select split_part(device, ':', 1) as "device!",
                  case when extract(epoch from clock_timestamp() - heartbeat_at)::float8 > $1 then 'silent'
                       when draining then 'draining'
                       when job_id is not null then 'working'
                       else 'idle' end as "state!",
                  count(*) as "workers!"
           from workers where heartbeat_at > clock_timestamp() - interval '1 day' group by 1, 2"#,
        silent,
    )
    .fetch_all(connection)
    .await?)
}

async fn budgets(connection: &mut PgConnection) -> Result<Budgets, StoreError> {
    Ok(sqlx::query_as!(
        Budgets,
        // Of two coordinates that count which has less left.
        r#"with shares as (
               select epsilon,
                      greatest(spent_mu2_pico / greatest(cap_mu2_pico, 1)::float8,
                               spent_leak_atto / greatest(cap_leak_atto, 1)::float8) as spent,
                      greatest((spent_mu2_pico + reserved_mu2_pico) / greatest(cap_mu2_pico, 1)::float8,
                               (spent_leak_atto + reserved_leak_atto) / greatest(cap_leak_atto, 1)::float8) as used
               from populations)
           select count(*) as "all!", count(*) filter (where used >= $1 and used < $2) as "low!",
                  count(*) filter (where used >= $2) as "used_up!",
                  coalesce(sum(epsilon), 0) as "granted_epsilon!", coalesce(sum(spent), 0) as "spent!"
           from shares"#,
        LOW,
        USED_UP,
    )
    .fetch_one(connection)
    .await?)
}

async fn undelivered(connection: &mut PgConnection) -> Result<Undelivered, StoreError> {
    Ok(sqlx::query_as!(
        Undelivered,
        r#"select count(*) as "messages!",
                  coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldest_seconds!"
           from webhook_deliveries where status = 'pending'"#,
    )
    .fetch_one(connection)
    .await?)
}

/// Attempts at jobs, counted from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptsSince {
    /// `begun`, or how they ended: `succeeded`, `failed`, `cancelled`, `handed_back`, `lost`.
    pub kind: String,
    /// Those of which no more will be heard: counted for good, they need not be counted again.
    pub settled: i64,
    /// All others.
    pub fresh: i64,
}

/// Counts attempts that began or ended at `since` or later, those before `until` as settled. A moment in the past is
/// settled once no transaction from before it can still be under way.
///
/// # Errors
/// Database faults only.
pub async fn attempts_since(
    connection: &mut PgConnection,
    since: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<AttemptsSince>, StoreError> {
    Ok(sqlx::query_as!(
        AttemptsSince,
        r#"select 'begun' as "kind!", count(*) filter (where started_at < $2) as "settled!",
                  count(*) filter (where started_at >= $2) as "fresh!"
           from job_attempts where started_at >= $1
           union all
           select outcome, count(*) filter (where ended_at < $2), count(*) filter (where ended_at >= $2)
           from job_attempts where ended_at >= $1 group by outcome"#,
        since,
        until,
    )
    .fetch_all(connection)
    .await?)
}

/// What time it is, by the database's clock.
///
/// # Errors
/// Database faults only.
pub async fn database_time(connection: &mut PgConnection) -> Result<OffsetDateTime, StoreError> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(connection).await?)
}

/// Adds what the training and generation of an attempt took.
///
/// # Errors
/// Database faults only.
pub async fn add_work(pool: &PgPool, work: &WorkDone) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into work_done as d (source, attempts, seconds, cpu_seconds, joules, rows, row_seconds)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (source) do update set attempts = d.attempts + excluded.attempts,
             seconds = d.seconds + excluded.seconds, cpu_seconds = d.cpu_seconds + excluded.cpu_seconds,
             joules = d.joules + excluded.joules, rows = d.rows + excluded.rows,
             row_seconds = d.row_seconds + excluded.row_seconds",
        work.source,
        work.attempts,
        work.seconds,
        work.cpu_seconds,
        work.joules,
        work.rows,
        work.row_seconds,
    )
    .execute(pool)
    .await?;
    Ok(())
}
