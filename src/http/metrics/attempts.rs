//! Attempts at jobs since the server began to look, without counting the same ones again and again.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::store::{self, StoreError};

/// What attempts are counted by: their beginning, then each way to end.
pub(super) const KINDS: [&str; 6] = ["begun", "succeeded", "failed", "cancelled", "handed_back", "lost"];

/// Longer than any transaction of a program: what it wrote down with an earlier time is there by now.
const SETTLED: Duration = Duration::from_secs(60);

/// The counters and up to when they are counted for good.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    until: Option<OffsetDateTime>,
    settled: HashMap<&'static str, i64>,
    told: HashMap<&'static str, i64>,
}

impl Attempts {
    /// Counts what came since. The first time there is nothing yet: counters begin with the server.
    pub async fn look(&mut self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let now = store::database_time(connection).await?;
        let Some(since) = self.until else {
            self.until = Some(now);
            return Ok(());
        };
        let until = since.max(now - SETTLED);
        let counted = store::attempts_since(connection, since, until).await?;
        self.until = Some(until);
        for kind in KINDS {
            let (settled, fresh) =
                counted.iter().find(|found| found.kind == kind).map_or((0, 0), |found| (found.settled, found.fresh));
            let good = self.settled.entry(kind).or_default();
            *good += settled;
            let told = self.told.entry(kind).or_default();
            // A counter never falls, whatever a clock that was set back would have it say.
            *told = (*told).max(*good + fresh);
        }
        Ok(())
    }

    /// How many there were of a kind.
    pub fn count(&self, kind: &str) -> f64 {
        self.told.get(kind).copied().unwrap_or_default() as f64
    }
}
