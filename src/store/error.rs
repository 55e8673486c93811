//! What can go wrong between a caller and the archive.

use crate::privacy::Refusal;

/// A refusal or a fault of the archive. Carries no cell of any table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing has this id or name.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// Another dataset has this name.
    #[error("a dataset of this name exists; choose another name, or upload a new version of that one")]
    NameTaken,
    /// The dataset has no rows: not yet, or no longer.
    #[error(
        "the dataset has no rows, or has them no longer because their time was over: upload them first with PUT \
         /v1/datasets/{{id}}/rows"
    )]
    NoRows,
    /// What a job left was destroyed, because its time was over.
    #[error(
        "what the job left was destroyed on {}: it was kept for {days} days from the job's end on. Its certificate, if one \
         was issued, and what it spent stay",
        at.date()
    )]
    Gone {
        /// When.
        at: time::OffsetDateTime,
        /// For how many days it was kept.
        days: i32,
    },
    /// Rows were to be used without privacy that are private.
    #[error("the dataset is not declared public")]
    NotPublic,
    /// The job does not fit into what is left of the budget.
    #[error("the job does not fit into what is left of the budget")]
    BudgetExhausted(Refusal),
    /// The budget changed while the job was being priced: price it again.
    #[error("the budget changed while the job was being priced")]
    Stale,
    /// The grant would shrink, or its delta would change.
    #[error("a grant can only be raised, and in epsilon alone: its delta stays what it was")]
    GrantLowered,
    /// The dataset belongs to a budget with another grant or another unit.
    #[error("{0}")]
    PopulationMismatch(String),
    /// The key is the only one of an admin that opens anything.
    #[error(
        "this is the last admin key that opens anything: make another one first (POST /v1/keys, or `dp2stage key create` \
         on the server)"
    )]
    LastAdmin,
    /// Jobs on the dataset are queued or running.
    #[error("jobs on the dataset are queued or running: cancel them or wait for them first")]
    DatasetInUse,
    /// The job is in a state in which this cannot be done.
    #[error("the job is already {0}")]
    StateConflict(&'static str),
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for a different request; use a new key")]
    IdempotencyMismatch,
    /// Too many jobs wait.
    #[error("too many jobs {0} are waiting: try again when some have run")]
    QueueFull(&'static str),
    /// The lease was lost to time or to another worker: stop at once.
    #[error("the lease on the job was lost")]
    LeaseLost,
    /// The job was asked to stop.
    #[error("the job was cancelled")]
    Cancelled,
    /// The plan's private blocks and its spares are used up.
    #[error("the private blocks that the job was charged for are used up")]
    ReservationExhausted,
    /// The database cannot be reached; it may be back in a moment.
    #[error("the database cannot be reached right now")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused or failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The schema of the database could not be brought up to date.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A newer program has changed the schema in a way that this one does not know.
    #[error(
        "the database was migrated by a newer version: this one knows {known} migrations and needs {needed}; install a newer one"
    )]
    TooOld {
        /// Migrations that this program knows.
        known: usize,
        /// Migrations that a program has to know.
        needed: usize,
    },
    /// The ledger of a population lacks a line that is witnessed in the storage, or has another in its place: the
    /// database was restored from a backup, or is another one.
    #[error("the ledger of population {0} was rewound: stop all servers and workers and run `dp2stage recover`")]
    Rewound(uuid::Uuid),
    /// The storage keys are not there, or not the right ones.
    #[error(transparent)]
    Keys(#[from] super::sealed::KeyringError),
    /// Storage failed.
    #[error("storage failed: {0}")]
    Blob(#[from] std::io::Error),
    /// Something stored is not what this version writes.
    #[error("{0} in the database cannot be read by this version")]
    Unreadable(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let away = match &error {
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::Protocol(_) => true,
            // Class 57: the server is shutting down or starting; 08: connection exceptions; 53: out of resources;
            // 55: closed to connections, a lock not had in time; 40: rolled back for the sake of another;
            // 25P03: a transaction that a pause of ours kept open too long.
            E::Database(db) => {
                db.code().is_some_and(|c| ["57", "08", "53", "55", "40", "25P03"].iter().any(|p| c.starts_with(p)))
            }
            _ => false,
        };
        if away { Self::Unavailable(error) } else { Self::Database(error) }
    }
}

impl StoreError {
    /// The name of the violated constraint, if the database refused for one.
    pub(super) fn constraint(error: &sqlx::Error) -> Option<&str> {
        error.as_database_error().and_then(|e| e.constraint())
    }
}
