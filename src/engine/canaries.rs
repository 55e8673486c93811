//! Canaries: rows that nobody is behind, half of which are trained on, so that an audit can ask the released model
//! which.
//!
//! They are a function of the plan, so that an attempt that goes on where another one stopped has the same ones, and of
//! nothing private. To the mechanism those that are in are units like any other: what is charged does not change.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

use crate::marginals::Distribution;
use crate::tabular::{Codec, Domain, Schema, Table};

use super::binned::{binned, rows_of, share};
use super::perplexity::log_likelihoods;
use super::plan::Plan;
use super::run::Outcome;
use super::stages::Source;

/// The canaries of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canaries {
    /// How many there are, of which about half are trained on.
    pub count: u32,
    /// What their cells and their coins are drawn from: from the operating system, when the job is submitted.
    #[serde(with = "hex")]
    pub seed: [u8; 32],
}

/// Canaries drawn.
pub struct CanaryRows {
    /// Their rows.
    pub rows: Table,
    /// Whether each is trained on.
    pub inside: Vec<bool>,
}

impl Canaries {
    /// Draws them: each cell evenly from the values of its column, and a fair coin each.
    #[must_use]
    pub fn draw(&self, schema: &Schema) -> CanaryRows {
        let mut rng = ChaCha20Rng::from_seed(self.seed);
        let mut rows = Table::new(schema.width(), Vec::new());
        let mut inside = Vec::new();
        for _ in 0..self.count {
            let cell = |domain: &Domain, rng: &mut ChaCha20Rng| rng.random_range(0..domain.len() as u32);
            let row: Vec<u32> = schema.columns().iter().map(|column| cell(&column.domain, &mut rng)).collect();
            rows.push(&row);
            inside.push(rng.random());
        }
        CanaryRows { rows, inside }
    }
}

impl CanaryRows {
    /// A table with those that are trained on.
    #[must_use]
    pub fn among(&self, train: &Table) -> Table {
        let mut all = train.clone();
        self.rows.iter().zip(&self.inside).filter(|(_, inside)| **inside).for_each(|(row, _)| all.push(row));
        all
    }

    /// The logarithm of the probability of each canary under what a job released, and whose it is: `model` where the
    /// language model learnt of the table itself, else `distribution`. None where neither says.
    #[must_use]
    pub fn likelihoods(
        &self,
        (plan, schema, codec): (&Plan, &Schema, &Codec),
        outcome: &Outcome,
    ) -> Option<(&'static str, Vec<f64>)> {
        let distribution = outcome.distribution.as_deref().and_then(|bytes| Distribution::from_bytes(bytes).ok());
        let has_learnt = plan.private.is_some() || plan.source == Source::NonPrivate;
        if let (Some(learnt), true) = (&outcome.model, has_learnt) {
            let all: Vec<usize> = (0..self.rows.rows()).collect();
            let found = log_likelihoods((plan, schema, codec), learnt, distribution.as_ref(), (&self.rows, &all))?;
            return Some(("model", found));
        }
        let distribution = distribution?;
        let mut found = distribution.log_densities(&rows_of(&distribution, &binned(&distribution, &self.rows)));
        for (density, row) in found.iter_mut().zip(self.rows.iter()) {
            *density += row.iter().enumerate().map(|(j, &code)| share(&distribution, j, code).ln()).sum::<f64>();
        }
        Some(("distribution", found))
    }
}
