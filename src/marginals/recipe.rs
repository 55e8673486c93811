//! The numbers that a measurement and a fit are made of, all public.

use serde::{Deserialize, Serialize};

/// How a table is measured and what is made of it. Chosen before anything private is read, or from what was
/// released before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Bins of a column at most.
    pub bins: usize,
    /// For each round of tables: which part of the limit on the tree it may use.
    pub rounds: Vec<f64>,
    /// Cells of all cliques of the tree at most.
    pub cells: f64,
    /// Whether triples with the target are candidates, beside pairs.
    pub triples: bool,
    /// How much less exact tables are taken to be than their noise is, in the fit.
    pub lambda: f64,
    /// The same in the weights of drawn rows.
    pub tilt: f64,
}

/// Tables that a round measures at most, unless there are more columns than that.
pub const TABLES: usize = 40;

/// Candidates of a round at most: beyond, pairs of columns that stand far apart are left out.
pub const CANDIDATES: usize = 20_000;

/// Rows that are drawn from the distribution in memory at a time, at most.
pub const POOL: usize = 400_000;

/// Classes at most between which labels are corrected.
pub const CLASSES: usize = 10;

/// Parameters of the label model at most.
pub const PARAMETERS: usize = 1500;
