//! What a job wants its report to measure besides what every report does.

use serde::{Deserialize, Serialize};

/// Other columns at most that models of a report predict.
pub const MAX_TARGETS: usize = 8;

/// Wishes for a report. They cost time and no privacy: the report is the custodian's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// Names of the columns that models predict besides the declared target, at most [`MAX_TARGETS`].
    pub targets: Vec<String>,
    /// Whether rows of stage 1 alone are measured too.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub stages: bool,
}

/// Whether it is not wished for.
fn is_unset(wish: &bool) -> bool {
    !wish
}

impl Wishes {
    /// Whether nothing is wished for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && !self.stages
    }
}
