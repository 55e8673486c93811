//! The history of jobs, as triggers write it down (`migrations/0006_events.sql`).

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::custodial::Custodial;
use super::error::StoreError;
use super::jobs::JobStatus;

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The job has this state; for custodians also one that it had before.
    Status(JobStatus),
    /// This stage began.
    Stage(String),
    /// Somebody asked the job to stop.
    CancelRequested,
}

/// An event that everyone may know.
#[derive(Clone, Debug)]
pub struct ReleasedEvent {
    /// 1, 2, 3 among the released events of the job.
    pub number: i32,
    /// What happened.
    pub happening: Happening,
    /// When, for states; the time that a stage took is not released.
    pub at: Option<OffsetDateTime>,
}

/// An event with all that is known about it.
#[derive(Clone, Debug)]
pub struct ExactEvent {
    /// 1, 2, 3 among all events of the job.
    pub number: i32,
    /// What happened.
    pub happening: Happening,
    /// When.
    pub at: OffsetDateTime,
    /// Claims of the job up to then that count.
    pub attempt: i32,
    /// The failure code, where the job failed; where it was put back, why.
    pub error: Option<String>,
}

/// One event of a job.
#[derive(Clone, Debug)]
pub struct JobEvent {
    /// The job.
    pub job_id: Uuid,
    /// What everyone may know of it; none where that it happened is exact.
    pub released: Option<ReleasedEvent>,
    /// All of it.
    pub exact: Custodial<ExactEvent>,
}

/// How far a running job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The stage.
    pub stage: String,
    /// Steps of it that are done.
    pub step: i32,
    /// Steps of it in all.
    pub steps: i32,
}

/// How far a running job is, and how far it ever was.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The job.
    pub job_id: Uuid,
    /// The furthest point of all attempts.
    pub reached: Standing,
    /// Where this attempt is.
    pub exact: Custodial<Standing>,
}

/// What happened to each of these jobs after its first so many events, in order within each job.
///
/// # Errors
/// Database faults only.
pub async fn events_since(pool: &PgPool, known: &[(Uuid, i32)]) -> Result<Vec<JobEvent>, StoreError> {
    let (jobs, numbers): (Vec<Uuid>, Vec<i32>) = known.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"select e.job_id, e.seq, e.released, e.kind, e.word, e.attempt, e.error, e.at
           from unnest($1::uuid[], $2::int[]) as known (job_id, seq)
           join job_events e on e.job_id = known.job_id and e.seq > known.seq
           order by e.job_id, e.seq"#,
        &jobs,
        &numbers,
    )
    .fetch_all(pool)
    .await?;
    let events = rows.into_iter().map(|row| {
        let happening = happening(&row.kind, &row.word)?;
        let timed = matches!(happening, Happening::Status(_)).then_some(row.at);
        let released = row.released.map(|number| ReleasedEvent { number, happening: happening.clone(), at: timed });
        let exact = ExactEvent { number: row.seq, happening, at: row.at, attempt: row.attempt, error: row.error };
        Some(JobEvent { job_id: row.job_id, released, exact: Custodial::new(exact) })
    });
    events.collect::<Option<_>>().ok_or(StoreError::Unreadable("an event"))
}

fn happening(kind: &str, word: &str) -> Option<Happening> {
    match kind {
        "status" => JobStatus::of_word(word).map(Happening::Status),
        "stage" => Some(Happening::Stage(word.to_owned())),
        "cancel" => Some(Happening::CancelRequested),
        _ => None,
    }
}

/// How far those of these jobs are that run.
///
/// # Errors
/// Database faults only.
pub async fn progress_of(pool: &PgPool, jobs: &[Uuid]) -> Result<Vec<Progress>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, stage as "stage!", step, steps, coalesce(reached_stage, stage) as "reached_stage!",
                  case when reached_stage is null then step else reached_step end as "reached_step!",
                  case when reached_stage is null then steps else reached_steps end as "reached_steps!"
           from jobs where id = any($1) and status = 'running' and stage is not null"#,
        jobs,
    )
    .fetch_all(pool)
    .await?;
    let progress = rows.into_iter().map(|row| Progress {
        job_id: row.id,
        reached: Standing { stage: row.reached_stage, step: row.reached_step, steps: row.reached_steps },
        exact: Custodial::new(Standing { stage: row.stage, step: row.step, steps: row.steps }),
    });
    Ok(progress.collect())
}
