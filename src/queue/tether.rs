//! The tether between the engine, which works on a thread of its own, and the job it works for.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::terms::LeaseTerms;
use super::witness::WitnessFile;
use crate::engine::{Halt, Meter, Progress, Stage, Stop, Vault, Witness};
use crate::store::{self, Blob, Blobs, Lease, StoreError, WorkDone, edge, is_full, within};

/// Progress is written at most this often.
const REPORT_EVERY: Duration = Duration::from_millis(300);
/// An answer of the database that takes longer will not come.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// A database that is away is asked again after this long.
const RETRY: Duration = Duration::from_millis(500);

/// One attempt's hold on its job: implements the ports of the engine.
pub struct Tether {
    pub(super) pool: PgPool,
    pub(super) lease: Lease,
    pub(super) terms: LeaseTerms,
    pub(super) drain: CancellationToken,
    runtime: Handle,
    blobs: Blobs,
    cancelled: AtomicBool,
    witness: Option<WitnessFile>,
    state: Mutex<State>,
}

struct State {
    /// Until when the lease is trusted, on our own clock.
    trusted_until: Instant,
    lost: bool,
    reported: Option<(Instant, Stage)>,
    draining_since: Option<Instant>,
    checkpoint: Option<Blob>,
}

impl Tether {
    /// A hold on a job that was claimed by a statement sent at `sent`.
    #[must_use]
    pub fn new(
        pool: PgPool,
        blobs: Blobs,
        (lease, terms, sent): (Lease, LeaseTerms, Instant),
        checkpoint: Option<Blob>,
        drain: CancellationToken,
    ) -> Self {
        let state = State {
            trusted_until: sent + terms.trust(),
            lost: false,
            reported: None,
            draining_since: None,
            checkpoint,
        };
        let (runtime, cancelled) = (Handle::current(), AtomicBool::new(false));
        Self { pool, lease, terms, drain, runtime, blobs, cancelled, witness: None, state: Mutex::new(state) }
    }

    /// The same hold, with a witness of every release if there is one.
    pub(super) fn before(self, witness: Option<WitnessFile>) -> Self {
        Self { witness, ..self }
    }

    /// Records a renewal that was sent at `sent`.
    pub(super) fn renewed(&self, sent: Instant, cancel_requested: bool) {
        self.state().trusted_until = sent + self.terms.trust();
        if cancel_requested {
            self.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Records that the database says the lease is lost.
    pub(super) fn lost(&self) {
        self.state().lost = true;
    }

    /// The blob of the latest checkpoint.
    pub(super) fn checkpoint(&self) -> Option<Blob> {
        self.state().checkpoint.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nobody panics while holding it, and its fields are independent of each other.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Tells what the work took, without waiting for the database: it is for the eye only.
    pub(super) fn worked(&self, work: WorkDone) {
        let pool = self.pool.clone();
        self.runtime.spawn(async move { within(PATIENCE, store::add_work(&pool, &work)).await });
    }

    fn check(&self) -> Result<(), Halt> {
        let state = self.state();
        if state.lost || Instant::now() >= state.trusted_until {
            return Err(Halt::LeaseLost);
        }
        if self.cancelled.load(Ordering::Relaxed) { Err(Halt::Cancelled) } else { Ok(()) }
    }

    /// How long an answer of the database is worth waiting for: not beyond the lease.
    fn patience(&self) -> Duration {
        self.state().trusted_until.saturating_duration_since(Instant::now()).min(PATIENCE)
    }

    /// Runs a statement, again and again while the database or the storage is away and the lease is trusted.
    pub(super) fn persist<T, F>(&self, mut statement: impl FnMut() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match self.runtime.block_on(within(self.patience(), statement())) {
                Ok(value) => return Ok(value),
                // The heartbeat may go on while storage is away: a worker that is to stop would wait for ever.
                Err(StoreError::Blob(_)) if self.drain.is_cancelled() => return Err(Halt::Draining),
                Err(StoreError::Unavailable(_) | StoreError::Blob(_)) => {
                    self.check()?;
                    std::thread::sleep(RETRY);
                }
                Err(StoreError::LeaseLost) => return Err(Halt::LeaseLost),
                Err(StoreError::Cancelled) => return Err(Halt::Cancelled),
                Err(StoreError::ReservationExhausted) => return Err(Halt::ReservationExhausted),
                Err(error) => return Err(Halt::Host(error.to_string())),
            }
        }
    }

    /// Writes progress without waiting for the database, but not more often than is of use.
    fn report(&self, progress: Progress) {
        {
            let mut state = self.state();
            if state.reported.is_some_and(|(at, stage)| stage == progress.stage && at.elapsed() < REPORT_EVERY) {
                return;
            }
            if state.reported.is_none_or(|(_, stage)| stage != progress.stage) {
                // Whatever the log says from here on, it says with the stage.
                tracing::Span::current().record("stage", progress.stage.word());
                tracing::debug!("a stage began");
            }
            state.reported = Some((Instant::now(), progress.stage));
        }
        let (pool, lease) = (self.pool.clone(), self.lease);
        self.runtime.spawn(async move {
            let steps = (progress.step as i32, progress.steps as i32);
            // The heartbeat learns of a lost lease and of a cancellation; this is for the eye only.
            let _ = within(PATIENCE, store::progress(&pool, lease, progress.stage.word(), steps)).await;
        });
    }
}

impl Stop for Tether {
    fn pulse(&self, progress: Progress) -> Result<(), Halt> {
        self.check()?;
        if self.drain.is_cancelled() {
            let since = *self.state().draining_since.get_or_insert_with(Instant::now);
            // A private block that is cut short would cost a spare one: let it end if it is quick.
            if progress.stage != Stage::Stage2 || since.elapsed() > self.terms.drain {
                return Err(Halt::Draining);
            }
        }
        self.report(progress);
        Ok(())
    }
}

impl Tether {
    /// Refuses to begin what is charged when this attempt is about to end.
    fn check_charge(&self) -> Result<(), Halt> {
        self.check()?;
        if self.drain.is_cancelled() { Err(Halt::Draining) } else { Ok(()) }
    }

    /// Has a charge written. What it pays for begins only when it would survive the loss of the database; and nothing
    /// is charged on a ledger that has forgotten lines.
    fn charge<F: Future<Output = Result<(), StoreError>>>(&self, statement: impl FnMut() -> F) -> Result<(), Halt> {
        let witnessed = || store::witness_of_job(&self.pool, &self.blobs, self.lease.job_id);
        self.check_charge()?;
        self.persist(witnessed)?;
        self.persist(statement)?;
        self.persist(witnessed)
    }

    /// Stores something, again and again while storage is full and the lease is trusted; but not for ever: then the
    /// job is handed back, and is claimed again by a worker that has room.
    pub(super) fn keep<T>(&self, mut store: impl FnMut() -> io::Result<T>) -> Result<T, Halt> {
        let began = Instant::now();
        loop {
            match store() {
                Ok(value) => return Ok(value),
                Err(error) if is_full(&error) && began.elapsed() < self.terms.ttl => {
                    self.check_charge()?;
                    std::thread::sleep(RETRY);
                }
                Err(error) if is_full(&error) => {
                    tracing::warn!(job = %self.lease.job_id, %error, "storage is full; the job is handed back");
                    return Err(Halt::Draining);
                }
                Err(error) => return Err(Halt::Host(error.to_string())),
            }
        }
    }
}

impl Meter for Tether {
    fn claim_opening(&self) -> Result<(), Halt> {
        self.charge(|| store::claim_opening(&self.pool, self.lease))
    }

    fn claim_block(&self, block: u32) -> Result<(), Halt> {
        self.charge(|| store::claim_block(&self.pool, self.lease, block as i32))
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.witness.as_ref().map(|witness| witness as &dyn Witness)
    }
}

impl Vault for Tether {
    fn save(&self, checkpoint: &[u8]) -> Result<(), Halt> {
        edge("checkpoint_blob", "before").map_err(|e| Halt::Host(e.to_string()))?;
        let stored = self.keep(|| self.blobs.put(checkpoint))?;
        edge("checkpoint_blob", "after").map_err(|e| Halt::Host(e.to_string()))?;
        self.persist(|| store::set_checkpoint(&self.pool, self.lease, &stored.blob))?;
        let before = self.state().checkpoint.replace(stored.blob.clone());
        if let Some(before) = before.filter(|before| *before != stored.blob) {
            self.blobs.remove(&before.name).map_err(|e| Halt::Host(e.to_string()))?;
        }
        Ok(())
    }

    fn load(&self) -> Result<Option<Vec<u8>>, Halt> {
        let Some(blob) = self.checkpoint() else { return Ok(None) };
        self.blobs.read(&blob).map(Some).map_err(|e| Halt::Host(e.to_string()))
    }
}
