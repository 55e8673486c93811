//! For how long things are kept.

use dp2stage::store::{self, MOST_DAYS, Term};
use serde::{Deserialize, Serialize};

use super::Config;

/// For how long things are kept, in days; 0 for ever, and for no limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Uploads, unless their custodian says something else.
    pub rows_days: u32,
    /// What jobs left.
    pub results_days: u32,
    /// The most that a custodian may say for uploads.
    pub most_rows_days: u32,
    /// The most for what jobs left.
    pub most_results_days: u32,
}

impl Retention {
    /// Refuses days that nobody means.
    ///
    /// # Errors
    /// More than a hundred years of them.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let all = [self.rows_days, self.results_days, self.most_rows_days, self.most_results_days];
        anyhow::ensure!(all.iter().all(|days| *days <= MOST_DAYS), "retention: days are at most {MOST_DAYS}");
        Ok(())
    }
}

impl Config {
    /// For how long things are kept.
    pub fn retention(&self) -> store::Retention {
        let Retention { rows_days, results_days, most_rows_days, most_results_days } = self.retention;
        let term = |days, most| Term { days, most };
        store::Retention { rows: term(rows_days, most_rows_days), results: term(results_days, most_results_days) }
    }
}
