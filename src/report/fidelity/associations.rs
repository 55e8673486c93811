//! Do columns that go together in the real table go together in the synthetic one?

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distance::Figure;
use super::matrix::{Matrix, square};
use super::pair::{WORST_PAIRS, chosen_pairs};
use super::sides::Sides;
use super::strength::Strength;
use crate::report::section::Section;
use crate::tabular::{Code, Schema};

/// How strongly pairs of columns go together. Two numbers (or moments): Pearson's correlation, from -1 to 1. Two
/// columns of categories: Cramer's V, not corrected for bias, from 0 to 1. One of each: the correlation ratio (eta),
/// from 0 to 1. Rows in which either cell is missing are left out; where fewer than two rows are left or a column
/// has one value alone in them, the strength is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Associations {
    /// The mean over the measured pairs of the absolute difference of strengths, from 0 to 2; low is good.
    pub mean_difference: Figure,
    /// The largest of them.
    pub max_difference: Figure,
    /// The pairs whose strengths differ most, worst first.
    pub worst: Vec<AssociationGap>,
    /// The strengths of all pairs.
    pub matrices: Section<AssociationMatrices>,
}

/// A pair of columns with its strengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AssociationGap {
    /// The first column.
    pub a: String,
    /// The second column.
    pub b: String,
    /// Which measure.
    pub measure: AssociationMeasure,
    /// The strength in the real training rows.
    pub real: f64,
    /// The strength in the synthetic rows.
    pub synthetic: f64,
    /// The absolute difference of the strengths in two halves of the real training rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub halves_difference: Option<f64>,
}

/// A measure of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssociationMeasure {
    /// Pearson's correlation.
    Pearson,
    /// Cramer's V.
    CramersV,
    /// The correlation ratio.
    CorrelationRatio,
}

/// The strengths of all pairs; 1 on the diagonal of tables, 0 on that of the difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AssociationMatrices {
    /// In the real training rows.
    pub real: Matrix,
    /// In the synthetic rows.
    pub synthetic: Matrix,
    /// Synthetic less real, from -2 to 2; near 0 is good.
    pub difference: Matrix,
}

/// The strengths of one pair.
struct Pair {
    measure: AssociationMeasure,
    real: f64,
    synthetic: f64,
    halves: Option<[f64; 2]>,
}

impl Pair {
    fn gap(&self) -> f64 {
        (self.synthetic - self.real).abs()
    }

    fn chance(&self) -> Option<f64> {
        self.halves.map(|[first, second]| (first - second).abs())
    }
}

/// Measures pairs of columns; none for a table of one.
///
/// Keeps one code a cell of both tables.
pub(super) fn associations(sides: &Sides<'_>) -> Option<Associations> {
    let columns = sides.schema.columns();
    let chosen = chosen_pairs(columns.len());
    if chosen.is_empty() {
        return None;
    }
    let codes: Vec<[Vec<Code>; 2]> = (0..columns.len()).map(|j| sides.codes(j)).collect();
    let pairs: Vec<Pair> = chosen.par_iter().map(|&(i, j)| pair(sides, &codes, i, j)).collect();

    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|&x, &y| pairs[y].gap().total_cmp(&pairs[x].gap()));
    let worst = order.iter().take(WORST_PAIRS).map(|&at| AssociationGap {
        a: columns[chosen[at].0].name.clone(),
        b: columns[chosen[at].1].name.clone(),
        measure: pairs[at].measure,
        real: pairs[at].real,
        synthetic: pairs[at].synthetic,
        halves_difference: pairs[at].chance(),
    });
    let gaps: Vec<f64> = pairs.iter().map(Pair::gap).collect();
    let chances: Option<Vec<f64>> = pairs.iter().map(Pair::chance).collect();
    let figure = |of: fn(&[f64]) -> f64| Figure { value: of(&gaps), halves: chances.as_deref().map(of) };
    Some(Associations {
        mean_difference: figure(|all| all.iter().sum::<f64>() / all.len() as f64),
        max_difference: figure(|all| all.iter().copied().fold(0.0, f64::max)),
        worst: worst.collect(),
        matrices: matrices(sides.schema, &pairs).into(),
    })
}

fn pair(sides: &Sides<'_>, codes: &[[Vec<Code>; 2]], i: usize, j: usize) -> Pair {
    let columns = sides.schema.columns();
    let (strength, swapped) = Strength::of(&columns[i], &columns[j]);
    let (a, b) = if swapped { (&codes[j], &codes[i]) } else { (&codes[i], &codes[j]) };
    let half = sides.half();
    let halves = || [strength.measure(&a[0][..half], &b[0][..half]), strength.measure(&a[0][half..], &b[0][half..])];
    Pair {
        measure: match strength {
            Strength::Pearson(..) => AssociationMeasure::Pearson,
            Strength::Cramer(..) => AssociationMeasure::CramersV,
            Strength::Ratio(..) => AssociationMeasure::CorrelationRatio,
        },
        real: strength.measure(&a[0], &b[0]),
        synthetic: strength.measure(&a[1], &b[1]),
        halves: (half > 0).then(halves),
    }
}

fn matrices(schema: &Schema, pairs: &[Pair]) -> Result<AssociationMatrices, String> {
    let matrix =
        |diagonal: f64, of: fn(&Pair) -> f64| square(schema, |_| diagonal, &pairs.iter().map(of).collect::<Vec<_>>());
    Ok(AssociationMatrices {
        real: matrix(1.0, |pair| pair.real)?,
        synthetic: matrix(1.0, |pair| pair.synthetic)?,
        difference: matrix(0.0, |pair| pair.synthetic - pair.real)?,
    })
}
