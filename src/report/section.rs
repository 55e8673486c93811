//! A part of the report that may be absent, and then says why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What was measured, or `{"absent": "the reason in words"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Section<T> {
    /// The measurement.
    Measured(T),
    /// There is none.
    Absent {
        /// Why, for a reader who does not know the program.
        absent: String,
    },
}

impl<T> Section<T> {
    /// The measurement, if there is one.
    pub fn measured(&self) -> Option<&T> {
        match self {
            Self::Measured(value) => Some(value),
            Self::Absent { .. } => None,
        }
    }
}

impl<T> From<Result<T, String>> for Section<T> {
    fn from(outcome: Result<T, String>) -> Self {
        match outcome {
            Ok(value) => Self::Measured(value),
            Err(absent) => Self::Absent { absent },
        }
    }
}
