//! Claiming: which queued job goes to a worker that has nothing to do.
//!
//! Tenants take turns: whoever has the fewest running jobs is next. The queued jobs of a tenant on one dataset are a
//! lane; of the heads of its lanes that have room the one of the highest priority is taken, then the oldest.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::edges::edge;
use super::error::StoreError;
use super::leases::{Lease, interval};
use super::sealed::Blob;

/// Who asks for a job, and under which limits.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The name under which the lease is held.
    pub worker: &'a str,
    /// Where one job at a time may run: host and card. `None` for a worker on processors.
    pub place: Option<&'a str>,
    /// Most jobs of one dataset that run at a time; 0 for no limit.
    pub per_dataset: u32,
}

impl<'a> From<&'a str> for Claimant<'a> {
    /// A worker without limits.
    fn from(worker: &'a str) -> Self {
        Self { worker, place: None, per_dataset: 0 }
    }
}

/// A job that was just claimed.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right to work on it.
    pub lease: Lease,
    /// The private table.
    pub dataset_id: Uuid,
    /// The upload to train on.
    pub dataset_version: i32,
    /// Whose budget it spends.
    pub population_id: Uuid,
    /// Steps, noise and events.
    pub plan: Value,
    /// Counting this one.
    pub attempts: i32,
    /// Whether it was asked to stop before it was claimed.
    pub cancel_requested: bool,
    /// The blob to resume from.
    pub checkpoint: Option<Blob>,
    /// The stage at which an earlier attempt ended.
    pub stage: Option<String>,
}

/// Two workers that reached for one slot, or for the same few jobs, try again so often.
const TRIES: usize = 8;

/// Claims a queued job for `ttl`, if there is one that may run. What became of jobs whose lease ran out is
/// for [`super::rescue`] to say.
///
/// # Errors
/// Database faults only.
pub async fn claim(
    pool: &PgPool,
    claimant: impl Into<Claimant<'_>>,
    ttl: Duration,
) -> Result<Option<Claimed>, StoreError> {
    let claimant = claimant.into();
    edge("claim", "before")?;
    for _ in 0..TRIES {
        let mut held = false;
        for tenant in turns(pool, claimant.place).await? {
            match look(pool, (claimant, &tenant), ttl).await {
                Err(error) if taken(&error) => held = true,
                Err(error) => return Err(error.into()),
                Ok(Look::Held) => held = true,
                Ok(Look::Nothing) => {}
                Ok(Look::Got(claimed)) => {
                    edge("claim", "after")?;
                    return Ok(Some(*claimed));
                }
            }
        }
        if !held {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The tenants that have jobs in the queue, whose turn it is first; none while the place is taken.
async fn turns(pool: &PgPool, place: Option<&str>) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"with recursive waiting as (
             (select tenant from jobs where status = 'queued' order by tenant limit 1)
             union all
             select n.* from waiting cross join lateral (
                 select tenant from jobs where status = 'queued' and tenant > waiting.tenant order by tenant limit 1) n
         ),
         load as (select tenant, count(*) as running from jobs where status = 'running' group by tenant)
         select tenant as "tenant!" from waiting left join load using (tenant)
         where not exists (select from jobs where status = 'running' and place = $1)
         order by coalesce(running, 0), random()"#,
        place,
    )
    .fetch_all(pool)
    .await?)
}

/// Whether another claim of the same moment took the slot or the place.
fn taken(error: &sqlx::Error) -> bool {
    matches!(StoreError::constraint(error), Some("jobs_one_a_slot" | "jobs_one_a_place"))
}

/// What a look at the lanes gave.
enum Look {
    /// A job.
    Got(Box<Claimed>),
    /// Jobs that other claims of the same moment held.
    Held,
    /// Nothing that may run.
    Nothing,
}

/// Takes the first job of a tenant that may run.
async fn look(pool: &PgPool, (claimant, tenant): (Claimant<'_>, &str), ttl: Duration) -> Result<Look, sqlx::Error> {
    let row = sqlx::query!(
        r#"with recursive lane as (
             (select dataset_id from jobs where status = 'queued' and tenant = $5 order by dataset_id limit 1)
             union all
             select n.* from lane cross join lateral (
                 select dataset_id from jobs where status = 'queued' and tenant = $5 and dataset_id > lane.dataset_id
                 order by dataset_id limit 1) n
         ),
         room as (
             select lane.dataset_id, free.slot
             from lane left join lateral (
                 select slot from generate_series(1, $3::int) slot
                 where not exists (select from jobs r where r.status = 'running'
                                   and r.dataset_id = lane.dataset_id and r.slot = slot.slot)
                 order by random() limit 1) free on true
             where $3::int = 0 or free.slot is not null
         ),
         head as (
             select h.*, room.slot from room cross join lateral (
                 select id, priority, created_at from jobs
                 where status = 'queued' and tenant = $5 and dataset_id = room.dataset_id
                       and run_after <= clock_timestamp()
                 order by priority desc, created_at, id limit 8) h
             order by priority desc, created_at, id limit 16
         ),
         next as (
             select j.id, head.slot from head join jobs j on j.id = head.id where j.status = 'queued'
             order by head.priority desc, head.created_at, head.id
             for update of j skip locked limit 1
         ),
         got as (
             update jobs set status = 'running', worker = $1, lease_epoch = lease_epoch + 1,
                    lease_expires_at = clock_timestamp() + $2::interval, attempts = attempts + 1, fault = null,
                    started_at = coalesce(started_at, clock_timestamp()), stage_first_step = null,
                    slot = next.slot, place = $4
             from next where jobs.id = next.id
             returning jobs.id, lease_epoch, dataset_id, dataset_version, population_id, plan, attempts,
                       cancel_requested, checkpoint, stage
         )
         select exists (select from head) as "any!", got.id as "id?", lease_epoch as "epoch?",
                got.dataset_id as "dataset?", dataset_version as "version?", population_id as "population?",
                plan as "plan?", attempts as "attempts?", cancel_requested as "cancel?", checkpoint, stage,
                k.storage_key as "storage_key?", k.wrapped as "wrapped?"
         from (select) one left join got on true left join blob_keys k on k.blob = got.checkpoint"#,
        claimant.worker,
        interval(ttl) as _,
        claimant.per_dataset as i32,
        claimant.place,
        tenant,
    )
    .fetch_one(pool)
    .await?;
    let key = (row.storage_key, row.wrapped);
    let checkpoint = |owner| row.checkpoint.map(|name| Blob::of(owner, name, key));
    let got = || {
        Some(Claimed {
            lease: Lease { job_id: row.id?, epoch: row.epoch? },
            dataset_id: row.dataset?,
            dataset_version: row.version?,
            population_id: row.population?,
            plan: row.plan?,
            attempts: row.attempts?,
            cancel_requested: row.cancel?,
            checkpoint: checkpoint(row.dataset?),
            stage: row.stage,
        })
    };
    Ok(match (row.any, got()) {
        (_, Some(claimed)) => Look::Got(Box::new(claimed)),
        (true, None) => Look::Held,
        (false, None) => Look::Nothing,
    })
}
