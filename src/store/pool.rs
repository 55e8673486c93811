//! Connections to PostgreSQL.

use std::io;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{PgPool, Row};

use super::error::StoreError;

/// A connection that does not answer for this long is not lent out.
const QUICK: Duration = Duration::from_millis(600);
/// One that does not answer for this long when it is given back is closed.
const SLOW: Duration = Duration::from_secs(10);

/// A pool of at most `connections`, whose sessions give up long statements and forgotten
/// transactions. Opens no connection yet.
///
/// A network may swallow packets and never say so: whoever takes or gives back a connection first hears from the
/// other end, within a time. Statements under way are for [`within`].
#[must_use]
pub fn connect(options: PgConnectOptions, connections: u32) -> PgPool {
    let options = options.application_name("dp2stage").options([
        ("statement_timeout", "15s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("lock_timeout", "10s"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_millis(1500))
        .idle_timeout(Duration::from_secs(300));
    lent_clean(pool).connect_lazy_with(options)
}

/// Has a pool look at each connection when it is lent out and when it comes back; one that does not answer in time, or is
/// in a transaction of somebody's, is closed.
#[must_use]
pub fn lent_clean(pool: PgPoolOptions) -> PgPoolOptions {
    pool.test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(is_clean(connection, QUICK)))
        .after_release(|connection, _| Box::pin(is_clean(connection, SLOW)))
}

/// Hears from the other end of a connection, and whether it is in no transaction. A caller that is gone while one begins
/// leaves it open, role, tenant and all, and sqlx does not know: it counts from the answer on. In a transaction of its own a
/// statement begins when the transaction does; said in one message, since a prepared one comes in several.
async fn is_clean(connection: &mut PgConnection, patience: Duration) -> Result<bool, sqlx::Error> {
    let asked = sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection);
    tokio::time::timeout(patience, asked).await.map_err(|_| silence())??.try_get(0)
}

/// What the database answers, or that it is away when nothing came for `patience`. What was asked for may have been
/// done all the same.
///
/// # Errors
/// [`StoreError::Unavailable`] when time is up; else those of `answer`.
pub async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(patience, answer).await.map_err(|_| StoreError::Unavailable(silence()))?
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"))
}

/// Brings the schema of the database up to date; does nothing when it is, or when a newer program has brought it
/// further: what that added is no hindrance, unless the database says that it is.
///
/// # Errors
/// [`StoreError::Migration`] when a migration fails; [`StoreError::TooOld`] when this program is too old for the
/// schema.
pub async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.set_ignore_missing(true);
    // A first connection may find a cluster that is still recovering from a crash.
    migrator.run(pool).await?;
    let needed = sqlx::query_scalar!("select migrations_needed from compatibility").fetch_one(pool).await?;
    let known = migrator.iter().count();
    if needed as usize > known { Err(StoreError::TooOld { known, needed: needed as usize }) } else { Ok(()) }
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
