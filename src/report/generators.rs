//! The generators that a job tried, side by side.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fidelity::{one_way, two_way};
use crate::tabular::{Schema, Table};

/// How near the rows of one generator came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GeneratorReport {
    /// `lm` or `distribution`.
    pub generator: String,
    /// Whether its rows are the job's synthetic table.
    pub used: bool,
    /// The mean over the measured tables of the part of rows that would have to move to agree with the noisy counts:
    /// what `generator: auto` goes by. Differentially private.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub distance: Option<f64>,
    /// The mean histogram intersection of columns with the real training rows; exact.
    pub one_way: f64,
    /// The same of pairs of columns; absent for a table of one column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub two_way: Option<f64>,
}

impl GeneratorReport {
    /// Compares the rows of a generator with the real ones.
    #[must_use]
    pub fn of(
        schema: &Schema,
        train: &Table,
        (generator, rows): (&str, &Table),
        (used, distance): (bool, Option<f64>),
    ) -> Self {
        Self {
            generator: generator.into(),
            used,
            distance,
            one_way: one_way(schema, train, rows).mean,
            two_way: two_way(schema, train, rows).map(|pairs| pairs.mean),
        }
    }
}
