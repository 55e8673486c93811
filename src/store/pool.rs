//! Connections to PostgreSQL.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

use super::error::StoreError;

/// A connection that was not used for this long is asked whether it lives.
const RESTED: Duration = Duration::from_secs(1);

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
        // Asking a connection whether it lives costs as much as a query does: those of a moment ago do.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options)
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
