//! Figures about the synthetic table that a job buys for everybody, as a part of its plan: what they cost, and the noise
//! of each part.

use serde::{Deserialize, Serialize};

use crate::privacy::{Delta, DpEvent, Epsilon, NoiseMultiplier, gaussian_mean};
use crate::report::Question;
use crate::report::released::ReleasedPart;
use crate::tabular::Schema;

use super::measuring::noise_for;
use super::plan::PlanError;

/// A wish for figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseWish {
    /// What they may cost, by themselves; below the job's epsilon.
    pub epsilon: Epsilon,
    /// Whether rows of the dataset are held out, which models can be scored on.
    pub held_out: bool,
}

/// Bought figures, every number of it public.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Releasing {
    /// The epsilon of all of them by themselves.
    pub epsilon: Epsilon,
    /// The delta, which is the job's.
    pub delta: Delta,
    /// Noise of the number of rows.
    pub rows: NoiseMultiplier,
    /// Noise of the overlaps of all columns together.
    pub columns: NoiseMultiplier,
    /// Noise of the mean overlap of pairs; none for a table of one column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<NoiseMultiplier>,
    /// Noise of the marks of a model; none without held-out rows or a declared target with classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<NoiseMultiplier>,
}

/// Shares of the squared mean: of the rows, the columns, the pairs and the target. What is not measured leaves its share
/// to the others. A mean over pairs or columns has little noise in any case; marks have it in forty places.
const SHARES: [f64; 4] = [0.1, 0.25, 0.15, 0.5];

impl Releasing {
    /// The figures for a wish, and the squared mean that they cost.
    ///
    /// # Errors
    /// [`PlanError::Number`] where a part would get so little that its noise has no number.
    pub fn new(schema: &Schema, wish: ReleaseWish, delta: Delta) -> Result<Self, PlanError> {
        let asked = schema.target().filter(|_| wish.held_out);
        let is_scored = asked.is_some_and(|at| matches!(Question::of(schema, at), Ok(Question::Class(_))));
        let there = [true, true, schema.width() > 1, is_scored];
        let total: f64 = SHARES.iter().zip(there).filter(|(_, there)| *there).map(|(share, _)| share).sum();
        // Parts are rounded one by one, each by less than this.
        let mu2 = gaussian_mean(wish.epsilon.get(), delta.get()).powi(2) * (1.0 - 1e-9);
        let noise = |part: usize| {
            noise_for(mu2 * SHARES[part] / total).map_err(|_| PlanError::Number {
                what: "released_epsilon",
                domain: "larger: its parts would get too little to be of any use",
            })
        };
        Ok(Self {
            epsilon: wish.epsilon,
            delta,
            rows: noise(0)?,
            columns: noise(1)?,
            pairs: there[2].then(|| noise(2)).transpose()?,
            target: there[3].then(|| noise(3)).transpose()?,
        })
    }

    /// The parts that were charged for, with their noise.
    pub fn parts(&self) -> impl Iterator<Item = (ReleasedPart, NoiseMultiplier)> {
        let parts = [
            (ReleasedPart::Rows, Some(self.rows)),
            (ReleasedPart::Columns, Some(self.columns)),
            (ReleasedPart::Pairs, self.pairs),
            (ReleasedPart::Target, self.target),
        ];
        parts.into_iter().filter_map(|(part, noise)| Some((part, noise?)))
    }

    /// What it does to the real rows: discrete Gaussian noise on whole counts, each part named as the Gaussian that stands
    /// for it.
    #[must_use]
    pub fn event(&self) -> DpEvent {
        DpEvent::Composed { events: self.parts().map(|(_, noise)| DpEvent::gaussian(noise)).collect() }
    }
}
