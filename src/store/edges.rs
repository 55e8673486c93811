//! Edges: the moments before and after something is kept. Builds for tests can be told to fail there; others have nothing
//! but an empty function.

use sqlx::{Postgres, Transaction};

use super::error::StoreError;

/// Passes an edge, `before` or `after` what `of` names. Where the environment's FAILPOINTS say so, as in
/// `finish.after=return(abort)`, the process ends here without a word; with `return(error)` the database seems to be
/// away: before it was asked, or with the answer lost.
///
/// # Errors
/// [`StoreError::Unavailable`], if a test wants it.
pub fn edge(of: &str, moment: &str) -> Result<(), StoreError> {
    if fail::has_failpoints() {
        let name = format!("{of}.{moment}");
        let away = |action: Option<String>| -> Result<(), StoreError> {
            match action.as_deref() {
                Some("abort") => std::process::abort(),
                _ => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
            }
        };
        fail::fail_point!(&name, away);
        // Without failpoints the line above is empty.
        let _ = (&name, away);
    }
    Ok(())
}

/// Commits between two edges.
///
/// # Errors
/// Database faults only.
pub(super) async fn commit(tx: Transaction<'_, Postgres>, of: &str) -> Result<(), StoreError> {
    edge(of, "before")?;
    tx.commit().await?;
    edge(of, "after")
}
