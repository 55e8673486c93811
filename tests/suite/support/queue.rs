//! The queue's functions as tests of reliability call them: what they take may change, and these are the places to say so.

use std::time::Duration;

use dp2stage::store::{self, Artifact, ArtifactKind, Blob, Claimed, Lease, Patience, StoreError};
use sqlx::PgPool;
use uuid::Uuid;

/// A lease that outlasts any test.
pub const LONG: Duration = Duration::from_secs(600);

/// Looks after lost jobs and claims one, as a worker of this name does.
pub async fn claim(pool: &PgPool, worker: &str) -> Result<Option<Claimed>, StoreError> {
    store::rescue(pool, Patience { max_attempts: i32::MAX, backoff: Duration::ZERO }).await?;
    store::claim(pool, worker, LONG).await
}

/// Hands a job back, for later when its machine failed.
pub async fn hand_back(pool: &PgPool, lease: Lease, later: bool) -> Result<(), StoreError> {
    store::hand_back(pool, lease, later.then_some(("worker_error", LONG))).await
}

/// Finishes a job with one result, a blob of this name.
pub async fn finish(pool: &PgPool, lease: Lease, blob: &str) -> Result<(), StoreError> {
    let artifact = Artifact { kind: ArtifactKind::Synthetic, blob: Blob::plain(blob), bytes: 1 };
    store::finish(pool, lease, &[artifact]).await
}

/// Lets the lease of a running job run out.
pub async fn run_out(pool: &PgPool, job: Uuid) {
    let past = "update jobs set lease_expires_at = clock_timestamp() - interval '1 ms'
                where id = $1 and status = 'running'";
    sqlx::query(past).bind(job).execute(pool).await.expect("a lease that runs out");
}

/// Lets the time pass for which jobs that were handed back wait.
pub async fn wait_is_over(pool: &PgPool) {
    let past = "update jobs set run_after = clock_timestamp() - interval '1 ms' where status = 'queued'";
    sqlx::query(past).execute(pool).await.expect("jobs that waited");
}

/// Queues `count` jobs that cost nothing, with the dataset and the rest of a job that there is. Returns their ids, the oldest first.
pub async fn fill(pool: &PgPool, like: Uuid, count: usize) -> Vec<Uuid> {
    let free = r#"{"rule": "certificate", "leak_atto": 0, "whole": {"mu2_pico": 0, "leak_atto": 0}, "block": null}"#;
    let copies = "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta,
                                    price, blocks_allowed, created_at)
                  select gen_random_uuid(), dataset_id, dataset_version, population_id, request, plan, epsilon, delta,
                         $3::jsonb, 0, clock_timestamp() + i * interval '1 us'
                  from jobs, generate_series(1, $2) i where id = $1 returning id";
    let copies = sqlx::query_scalar(copies).bind(like).bind(count as i32).bind(free);
    copies.fetch_all(pool).await.expect("jobs")
}
