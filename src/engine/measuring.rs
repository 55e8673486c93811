//! What a job measures before anything is trained, as a part of its plan: which share of the privacy each part
//! gets, as noise multipliers, and how a distribution is fitted to it.

use serde::{Deserialize, Serialize};

use crate::marginals::{Axis, Recipe, has_classes, pool_of};
use crate::privacy::{DpEvent, NoiseMultiplier, UnitError};
use crate::tabular::{Domain, Schema};

/// A measurement, every figure of it public.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measuring {
    /// Noise of the histograms of all columns together.
    pub histograms: NoiseMultiplier,
    /// Noise of each round.
    pub rounds: Vec<RoundNoise>,
    /// Noise of the correction of the labels, where the target has classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<NoiseMultiplier>,
    /// Classes of the target, if labels are corrected, else 1.
    pub classes: u32,
    /// How it is measured and what is made of it.
    pub recipe: Recipe,
}

/// Noise of a round of tables.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundNoise {
    /// Of the distances of all candidates together.
    pub scores: NoiseMultiplier,
    /// Of all chosen tables together, however many.
    pub tables: NoiseMultiplier,
}

/// Shares of a measurement's squared mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Histograms.
    pub histograms: f64,
    /// The correction of the labels; goes to the tables where there is none.
    pub labels: f64,
    /// Scores, of a round's share.
    pub scores: f64,
}

/// The least noise multiplier that there is.
const LEAST_NOISE: f64 = 0.2;

/// The noise of a part that costs a Gaussian of squared mean `mu2`. More privacy than a part can use is left unused.
pub(super) fn noise_for(mu2: f64) -> Result<NoiseMultiplier, UnitError> {
    NoiseMultiplier::new((1.0 / mu2.sqrt()).max(LEAST_NOISE))
}

/// How much of the tables' share each round gets.
pub const ROUNDS: [f64; 3] = [0.32, 0.32, 0.36];

/// The tree may grow by this part of its limit ahead of what has been spent.
const AHEAD: f64 = 0.15;

impl Measuring {
    /// A measurement that costs a Gaussian of squared mean `mu2`.
    ///
    /// # Errors
    /// [`UnitError`] where a part would get so little that its noise has no number.
    pub fn new(schema: &Schema, mu2: f64, shares: Shares, recipe: Recipe) -> Result<Self, UnitError> {
        let noise = |share: f64| noise_for(mu2 * share);
        let labelled = schema.target().is_some_and(|target| has_classes(axis(schema, target)));
        let labels = if labelled { shares.labels } else { 0.0 };
        let tables = 1.0 - shares.histograms - labels;
        let round = |part: f64| -> Result<RoundNoise, UnitError> {
            let share = part * tables;
            Ok(RoundNoise { scores: noise(share * shares.scores)?, tables: noise(share * (1.0 - shares.scores))? })
        };
        let rounds = ROUNDS.into_iter().map(round).collect::<Result<_, _>>()?;
        let reached = ROUNDS.iter().scan(AHEAD, |reached, part| {
            *reached += part;
            Some(reached.min(1.0))
        });
        let recipe = Recipe { rounds: reached.collect(), ..recipe };
        let classes = schema.target().filter(|_| labelled).map_or(1, |target| {
            let axis = axis(schema, target);
            axis.values + u32::from(axis.missing)
        });
        let labels = labelled.then(|| noise(labels)).transpose()?;
        Ok(Self { histograms: noise(shares.histograms)?, rounds, labels, classes, recipe })
    }

    /// What it does to the private rows. Each part is discrete Gaussian noise on whole counts, and named as the
    /// Gaussian that stands for all of it; tables of a round are chosen one after the other within it.
    #[must_use]
    pub fn event(&self) -> DpEvent {
        let rounds = self.rounds.iter().flat_map(|round| [round.scores, round.tables]);
        let parts = [self.histograms].into_iter().chain(rounds).chain(self.labels);
        DpEvent::Composed { events: parts.map(DpEvent::gaussian).collect() }
    }

    /// Tables that it may measure.
    #[must_use]
    pub fn tables(&self, columns: u64) -> u64 {
        columns + self.rounds.len() as u64 * columns.max(40)
    }

    /// Rows of bins that are weighed at a time, each once for each class.
    #[must_use]
    pub fn copies(&self, rows: u64) -> u64 {
        pool_of(rows as usize) as u64 * u64::from(self.classes)
    }

    /// Parts of it, for showing how far it is.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.rounds.len() as u32 + 2
    }
}

/// What is public about a column, as the room of marginals sees it.
#[must_use]
pub fn axis(schema: &Schema, column: usize) -> Axis {
    let column = &schema.columns()[column];
    let ordered = matches!(column.domain, Domain::Grid(_));
    Axis { values: column.domain.len() as u32, ordered, missing: column.nullable }
}

/// The axes of all columns.
#[must_use]
pub fn axes(schema: &Schema) -> Vec<Axis> {
    (0..schema.width()).map(|column| axis(schema, column)).collect()
}
