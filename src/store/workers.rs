//! Who is there to work. For the eye alone: leases say who may do what.

use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::StoreError;
use super::scope::Scope;

/// What a worker says of itself once and for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The name under which its leases are held.
    pub name: String,
    /// The machine.
    pub host: String,
    /// Its process there.
    pub pid: i32,
    /// Where it trains: `cpu`, `cuda:0` and so on.
    pub device: String,
    /// Threads that it computes with.
    pub threads: i32,
    /// Bytes of memory that it may take; `None` for no limit.
    pub memory_bytes: Option<i64>,
    /// The version of its program.
    pub version: String,
}

/// A worker as the database knows it.
#[derive(Clone, Debug)]
pub struct SeenWorker {
    /// What it said of itself.
    pub presence: Presence,
    /// Bytes that it has resident, where the kernel says.
    pub used_bytes: Option<i64>,
    /// Whether it is at a job.
    pub working: bool,
    /// Which, where that may be seen.
    pub job_id: Option<Uuid>,
    /// Whether it was told to stop.
    pub draining: bool,
    /// When it joined.
    pub started_at: OffsetDateTime,
    /// When it was last heard of.
    pub heartbeat_at: OffsetDateTime,
    /// Seconds since then, by the database's clock.
    pub silent_seconds: f64,
}

/// Says that a worker is there, and what it is at.
///
/// # Errors
/// Database faults only.
pub async fn report_worker(
    pool: &PgPool,
    presence: &Presence,
    used_bytes: Option<i64>,
    (job, draining): (Option<Uuid>, bool),
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into workers (name, host, pid, device, threads, memory_bytes, version, used_bytes, job_id, draining)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (name) do update set used_bytes = excluded.used_bytes, job_id = excluded.job_id,
             draining = excluded.draining, heartbeat_at = clock_timestamp()",
        presence.name,
        presence.host,
        presence.pid,
        presence.device,
        presence.threads,
        presence.memory_bytes,
        presence.version,
        used_bytes,
        job,
        draining,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes a worker that has ended off the list.
///
/// # Errors
/// Database faults only.
pub async fn forget_worker(pool: &PgPool, name: &str) -> Result<(), StoreError> {
    sqlx::query!("delete from workers where name = $1", name).execute(pool).await?;
    Ok(())
}

/// All workers that were heard of within a day, by name. Tenants share them, and see which of their own jobs they are at.
///
/// # Errors
/// Database faults only.
pub async fn list_workers(scope: &impl Scope) -> Result<Vec<SeenWorker>, StoreError> {
    let rows = sqlx::query!(
        r#"select name, host, pid, device, threads, memory_bytes, version, used_bytes, draining, started_at, heartbeat_at,
                  job_id is not null as "working!", (select j.id from jobs j where j.id = job_id) as job_id,
                  extract(epoch from clock_timestamp() - heartbeat_at)::float8 as "silent_seconds!"
           from workers where heartbeat_at > clock_timestamp() - interval '1 day' order by name"#
    )
    .fetch_all(&mut *scope.begin().await?)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| SeenWorker {
            presence: Presence {
                name: r.name,
                host: r.host,
                pid: r.pid,
                device: r.device,
                threads: r.threads,
                memory_bytes: r.memory_bytes,
                version: r.version,
            },
            used_bytes: r.used_bytes,
            working: r.working,
            job_id: r.job_id,
            draining: r.draining,
            started_at: r.started_at,
            heartbeat_at: r.heartbeat_at,
            silent_seconds: r.silent_seconds,
        })
        .collect())
}
