//! How a plan that measures splits its privacy, and how finely it measures: from public facts alone.
//!
//! What counts is the signal, the declared number of units times the mean of the Gaussian that (epsilon, delta) is
//! worth: how many deviations of the noise a count of everybody is. Adult (32,561 rows) at epsilon 1 and delta 1e-5
//! has a signal of 8,700, at epsilon 8 of 53,000. Finer bins pay as it grows, and smaller shares of histograms and labels. The
//! constants were found on Adult and are the same for all tables (`benches/QUALITY.md`).

use serde::{Deserialize, Serialize};

use crate::marginals::Recipe;
use crate::privacy::{UnitError, gaussian_mean};

use super::measuring::{Measuring, Shares};
use super::plan::{Facts, PlanError};
use super::unit::units_public;

/// Choices about the measurement that a job may make instead of the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitOverrides {
    /// The measurement's share of the job's privacy, where there is a stage 2 besides.
    pub share: Option<f64>,
    /// The histograms' share of the measurement.
    pub histograms: Option<f64>,
    /// The labels' share of the measurement.
    pub labels: Option<f64>,
    /// Bins of a column at most.
    pub bins: Option<u32>,
}

/// The measurement's share of the squared mean beside a stage 2: what stage 2 may add is little, what it takes
/// from the measurement is lost for certain.
const SHARE: f64 = 0.8;

/// Shares of the measurement.
const SHARES: Shares = Shares { histograms: 0.1, labels: 0.2, scores: 0.05 };

/// The signal that the other constants were found at.
const USUAL: f64 = 9000.0;

/// Cells of the tree for each column at that signal.
const CELLS: f64 = 27_000.0;

/// The measurement that a job opens with; `released` is the squared mean that other counts take. `alone`: without a
/// stage 2 besides.
pub fn measuring(
    facts: &Facts<'_>,
    released: f64,
    (alone, overrides): (bool, &SplitOverrides),
) -> Result<Measuring, PlanError> {
    check(overrides)?;
    let mean = gaussian_mean(facts.epsilon.get(), facts.delta.get());
    let share = if alone { 1.0 } else { overrides.share.unwrap_or(SHARE) };
    // Parts are rounded one by one, each by less than this.
    let mu2 = (mean * mean - released).max(0.0) * share * (1.0 - 1e-9);
    let rows_each = facts.persons.map_or(1.0, |persons| f64::from(persons.max_rows.get()));
    let signal = units_public(facts.rows_public, facts.persons) as f64 * mu2.sqrt() / rows_each;
    let shares = Shares {
        histograms: overrides.histograms.unwrap_or(SHARES.histograms * (USUAL / signal).powf(0.39).clamp(0.4, 1.0)),
        labels: overrides.labels.unwrap_or(SHARES.labels * (USUAL / signal).powf(0.25).clamp(0.5, 1.0)),
        ..SHARES
    };
    let recipe = recipe(signal, facts.schema.width() as f64, overrides);
    Measuring::new(facts.schema, mu2, shares, recipe).map_err(|UnitError { .. }| PlanError::Number {
        what: "epsilon",
        domain: "larger for a job that measures marginals: its parts would get too little to be of any use",
    })
}

/// How finely a table of this signal is measured.
fn recipe(signal: f64, columns: f64, overrides: &SplitOverrides) -> Recipe {
    let times = signal / USUAL;
    // Little signal wants coarse bins at once; much signal pays for fine ones slowly.
    let bins = (20.0 * times.powf(if times < 1.0 { 0.4 } else { 0.26 })).round().clamp(6.0, 36.0) as usize;
    Recipe {
        bins: overrides.bins.map_or(bins, |bins| bins as usize),
        rounds: Vec::new(),
        cells: (CELLS * columns * times.powf(if times < 1.0 { 0.5 } else { 0.1 })).clamp(5e4, 1e6).round(),
        triples: true,
        lambda: 0.06,
        tilt: 0.2,
    }
}

fn check(overrides: &SplitOverrides) -> Result<(), PlanError> {
    let number = |valid: bool, what, domain| if valid { Ok(()) } else { Err(PlanError::Number { what, domain }) };
    let part = |share: Option<f64>| share.is_none_or(|share| (0.01..=0.98).contains(&share));
    number(part(overrides.share), "share", "from 0.01 to 0.98")?;
    number(part(overrides.histograms), "histograms", "from 0.01 to 0.98")?;
    number(part(overrides.labels), "labels", "from 0.01 to 0.98")?;
    let together = overrides.histograms.unwrap_or(SHARES.histograms) + overrides.labels.unwrap_or(SHARES.labels);
    number(together <= 0.99, "histograms", "a share that together with that of the labels leaves some for tables")?;
    number(overrides.bins.is_none_or(|bins| (2..=100).contains(&bins)), "bins", "from 2 to 100")
}
