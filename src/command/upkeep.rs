//! What a server does besides answering: it sweeps away what need not be kept and witnesses the ledger.

use std::time::{Duration, Instant};

use dp2stage::store::{self, Blobs, Destroyed, Retention, Rewound, StoreError, Swept};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How often the ledger is witnessed. What is charged is witnessed at once, by the worker; this is for the rest.
const WITNESS_EVERY: Duration = Duration::from_secs(30);
/// How often it is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Blobs that are younger than this may be on their way to being named.
const ORPHAN: Duration = Duration::from_secs(3600);
/// A submission may be repeated under its Idempotency-Key for this long.
const KEYS: Duration = Duration::from_secs(30 * 24 * 3600);
/// Workers that were silent for so long are forgotten.
const WORKERS: Duration = Duration::from_secs(24 * 3600);

/// Refuses a database that has forgotten what was spent; witnesses what is not witnessed yet.
pub async fn refuse_rewound(pool: &PgPool, blobs: &Blobs) -> anyhow::Result<()> {
    let rewound = store::rewound(pool, blobs).await?;
    if rewound.is_empty() {
        return Ok(store::witness_all(pool, blobs).await?);
    }
    let ledgers: Vec<String> = rewound.iter().map(say).collect();
    anyhow::bail!(
        "the database has forgotten what was spent: it was restored from a backup, or it is another one than the \
         storage belongs to.\n{}\nIf it is the right database, run `dp2stage recover`, which writes the missing lines \
         back from the storage, and start again; for a new installation name another storage.",
        ledgers.join("\n"),
    )
}

fn say(rewound: &Rewound) -> String {
    let Rewound { population, witnessed, kept, forked, ref set_back } = *rewound;
    match (kept, forked) {
        (None, _) => format!("  population {population} is not there; {witnessed} lines of its ledger are missing"),
        (_, true) => format!("  population {population}: its ledger goes on differently from how it is witnessed"),
        (Some(_), _) if rewound.missing() == 0 => {
            format!("  population {population}: {} jobs had begun more than is known of them", set_back.len())
        }
        (Some(kept), _) => {
            format!("  population {population}: {} lines are missing after line {kept}", rewound.missing())
        }
    }
}

/// Destroys what is kept no longer, by the database's clock: a server's own may be years ahead.
async fn sweep_due(pool: &PgPool, blobs: &Blobs, retention: &Retention, stopping: &CancellationToken) {
    match store::sweep_due(pool, blobs, retention, Duration::ZERO).await {
        Ok(Destroyed { uploads: 0, jobs: 0, .. }) => {}
        Ok(Destroyed { uploads, jobs, .. }) => tracing::info!(uploads, jobs, "destroyed what is kept no longer"),
        Err(_) if stopping.is_cancelled() => {}
        Err(error) => tracing::error!(%error, "not all that is kept no longer could be destroyed; it is tried again"),
    }
}

/// Removes what need not be kept. What cannot be removed now goes an hour later.
async fn sweep(pool: &PgPool, blobs: &Blobs, retention: &Retention, stopping: &CancellationToken) {
    sweep_due(pool, blobs, retention, stopping).await;
    match store::sweep_orphans(pool, blobs, ORPHAN).await {
        Ok(Swept { blobs: 0, unfinished: 0 }) => {}
        Ok(Swept { blobs, unfinished }) => tracing::info!(blobs, unfinished, "swept what nothing names"),
        Err(_) if stopping.is_cancelled() => {}
        Err(error) => tracing::warn!(%error, "the storage could not be swept"),
    }
    if let Err(error) = store::forget_workers(pool, WORKERS).await {
        tracing::debug!(%error, "silent workers are forgotten later");
    }
    match store::forget_submissions(pool, KEYS).await {
        Ok(0) => {}
        Ok(keys) => tracing::info!(keys, "idempotency keys were forgotten"),
        Err(_) if stopping.is_cancelled() => {}
        Err(error) => tracing::warn!(%error, "old idempotency keys could not be forgotten"),
    }
}

/// Witnesses where the audit log ends. That lines are gone stops nobody, but is said until somebody looks.
async fn witness_audit(pool: &PgPool, blobs: &Blobs, stopping: &CancellationToken) {
    match store::witness_audit(pool, blobs).await {
        Ok(true) => {}
        Ok(false) => tracing::error!("the audit log lacks lines that were witnessed: see `dp2stage verify`"),
        Err(_) if stopping.is_cancelled() => {}
        Err(error) => tracing::warn!(%error, "the audit log could not be witnessed; it is tried again"),
    }
}

/// Sweeps and witnesses until `stopping` is cancelled; cancels it when the database is rewound under a running server.
pub async fn run((pool, blobs): (PgPool, Blobs), retention: Retention, stopping: CancellationToken) {
    let mut swept: Option<Instant> = None;
    while !stopping.is_cancelled() {
        if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            sweep(&pool, &blobs, &retention, &stopping).await;
            swept = Some(Instant::now());
        }
        match store::witness_all(&pool, &blobs).await {
            Ok(()) => {}
            Err(error @ StoreError::Rewound(_)) => {
                tracing::error!(%error, "the database was rewound under a running server");
                stopping.cancel();
            }
            Err(_) if stopping.is_cancelled() => {}
            Err(error) => tracing::warn!(%error, "the ledger could not be witnessed; it is tried again"),
        }
        witness_audit(&pool, &blobs, &stopping).await;
        let _ = tokio::time::timeout(WITNESS_EVERY, stopping.cancelled()).await;
    }
}
