//! Connections to PostgreSQL.

use std::io;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::error::StoreError;

/// A pool of at most `connections`, whose sessions give up long statements and forgotten
/// transactions. Opens no connection yet.
#[must_use]
pub fn connect(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = options.application_name("dp2stage").options([
        ("statement_timeout", "15s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("lock_timeout", "10s"),
    ]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(1500))
        .idle_timeout(Duration::from_secs(300))
        .connect_lazy_with(options)
}

/// Brings the schema of the database up to date; does nothing when it is.
///
/// # Errors
/// [`StoreError::Migration`] when a migration fails or the database is newer than this program.
pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    // A first connection may find a cluster that is still recovering from a crash.
    sqlx::migrate!("./migrations").run(pool).await.map_err(StoreError::from)
}

/// Whether the database answers.
///
/// # Errors
/// [`StoreError::Unavailable`] when it does not.
pub async fn ping(pool: &PgPool) -> Result<(), StoreError> {
    sqlx::query_scalar!("select 1").fetch_one(pool).await?;
    Ok(())
}

/// Does what blocks, storage above all, on a thread that may.
pub(super) async fn aside<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    // A panic there has been reported by the thread.
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?.map_err(StoreError::Blob)
}
