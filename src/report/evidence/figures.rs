//! Shares and differences with what is known of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An interval that holds the true figure with 95 % certainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// A part of some rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Proportion {
    /// The part, from 0 to 1.
    pub share: f64,
    /// The interval that holds what the share would be of very many rows, with 95 % certainty.
    pub interval: Interval,
}

/// How much larger the first of two figures is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The difference, from -1 to 1; 0 where there is none.
    pub value: f64,
    /// The interval that holds what the difference would be of very many rows. A difference whose interval is above 0
    /// is there; one whose interval holds 0 may be chance.
    pub interval: Interval,
}
