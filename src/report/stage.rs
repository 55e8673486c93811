//! What stage 1 alone is worth, beside both stages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fidelity::{one_way, two_way};
use super::tables::Tables;
use super::utility::{TargetUtility, utility};

/// Rows of the language model as it was after stage 1, before it saw a private row in stage 2, measured like the table
/// itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StageOneReport {
    /// Rows that were drawn.
    pub rows: usize,
    /// The mean histogram intersection of columns with the real training rows, from 0 to 1; high is good.
    pub one_way: f64,
    /// The same of pairs; absent for a table of one column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub two_way: Option<f64>,
    /// Models of the declared target and of the other columns that the job named, fitted on these rows: to be held against
    /// `utility`, whose models are fitted on rows of both stages.
    pub utility: Vec<TargetUtility>,
}

impl StageOneReport {
    /// Measures `tables.synthetic`, rows of stage 1 alone; models predict `targets`.
    #[must_use]
    pub fn of(tables: Tables<'_>, targets: impl IntoIterator<Item = usize>) -> Self {
        let Tables { schema, train, synthetic, .. } = tables;
        Self {
            rows: synthetic.rows(),
            one_way: one_way(schema, train, synthetic).mean,
            two_way: two_way(schema, train, synthetic).map(|pairs| pairs.mean),
            utility: targets.into_iter().map(|target| utility(target, tables)).collect(),
        }
    }
}
