//! An audit with canaries: from right guesses about made-up rows to an epsilon that they refute.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::one_run_bound;
use super::figures::Proportion;
use super::intervals::{LEVEL, wilson};
use crate::tabular::{Code, Schema, Table};

const SAYS: &str = "Before training, rows that belong to nobody were made up, and a fair coin for each decided \
                    whether it went into the training table. Afterwards what the job released was asked which of them \
                    it knows, and its surest answers were counted. The more of them are right, the larger the epsilon \
                    that is refuted, with 95 % certainty and without any assumption about the data (Steinke, Nasr and \
                    Jagielski 2023). A bound above the claimed epsilon would disprove the claim. One below does not \
                    prove it: a better attacker might raise it, and so few canaries cannot show a large epsilon at \
                    all. The canaries that went in are rows of the training table, so the synthetic table resembles \
                    them, too, a little.";

/// What an audit with canaries found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanaryAudit {
    /// What this can and cannot show.
    pub says: String,
    /// Canaries that were drawn: rows of even values inside the schema.
    pub canaries: usize,
    /// Canaries that the coins put into the training table.
    pub trained_on: usize,
    /// What scored them: `model`, the language model's probability of the row, or `distribution`, that of the noisy
    /// counts' distribution; less what the synthetic columns say of its cells one by one.
    pub scored_by: String,
    /// Guesses: the highest fifth of the scores as trained on, the lowest fifth as not.
    pub guesses: usize,
    /// The part of guesses that were right. 0.5 is ideal.
    pub right: Proportion,
    /// The largest epsilon that the guesses refute with 95 % certainty, at the delta of the claim: 0 where they refute
    /// none. To be held against the claimed epsilon.
    pub epsilon_at_least: f64,
    /// The bound that the same number of guesses would have given if all had been right: no audit of this size shows
    /// more.
    pub epsilon_at_most: f64,
}

/// Guesses from scores, the higher the likelier trained on, which canaries were `inside`, and counts. As many of both.
///
/// # Errors
/// In words, where there are too few canaries to guess about.
pub fn canary_audit((scored_by, scores): (&str, &[f64]), inside: &[bool], delta: f64) -> Result<CanaryAudit, String> {
    let each = scores.len() / 5;
    if each == 0 {
        return Err("There are fewer than five canaries: too few to guess about.".into());
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let high = order[..each].iter().filter(|&&i| inside[i]).count();
    let low = order[order.len() - each..].iter().filter(|&&i| !inside[i]).count();
    let (right, told) = (high + low, 2 * each);
    let bound = |right: usize| one_run_bound((right, told), scores.len(), delta, 1.0 - LEVEL);
    Ok(CanaryAudit {
        says: SAYS.into(),
        canaries: scores.len(),
        trained_on: inside.iter().filter(|inside| **inside).count(),
        scored_by: scored_by.into(),
        guesses: told,
        right: wilson(right as f64, told, LEVEL),
        epsilon_at_least: bound(right),
        epsilon_at_most: bound(told),
    })
}

/// The logarithm of how likely each of `rows` is if its cells had nothing to do with each other, as the synthetic
/// columns have it, with one more of each value.
#[must_use]
pub fn cell_by_cell(schema: &Schema, synthetic: &Table, rows: &Table) -> Vec<f64> {
    let mut sums = vec![0.0; rows.rows()];
    for (j, column) in schema.columns().iter().enumerate() {
        let mut counts: HashMap<Code, usize> = HashMap::new();
        synthetic.column(j).for_each(|code| *counts.entry(code).or_default() += 1);
        let all = (synthetic.rows() + column.domain.len()) as f64;
        for (sum, code) in sums.iter_mut().zip(rows.column(j)) {
            *sum += ((counts.get(&code).copied().unwrap_or(0) + 1) as f64 / all).ln();
        }
    }
    sums
}
