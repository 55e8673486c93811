//! Distance to the closest record, and the ratio to the second closest.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::figures::Proportion;
use super::intervals::{LEVEL, wilson};
use super::nearest::{Nearest, nearest};
use super::space::{Points, Space};

const SAYS: &str = "If synthetic rows were copies of the people in the training rows, slightly altered, they would \
                    lie nearer to training rows than to held-out rows, which the generator never saw. This is measured \
                    here, against equally many of each. A share near one half says that being in the table draws no \
                    synthetic row nearer, on average. It cannot show that nobody is at risk: single unusual people can \
                    be exposed while the average looks well, and only differential privacy bounds the risk of each of \
                    them. A small distance alone is no leak: in a table with few different rows, everybody has a near \
                    double.";

/// How near synthetic rows are to training rows, beside how near they are to as many held-out rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClosestRecords {
    /// What this can and cannot show.
    pub says: String,
    /// Synthetic rows that were looked up: all, or a fixed random sample of 4,000 (fewer in tables of more than 16
    /// columns).
    pub synthetic_rows: usize,
    /// Training rows, and held-out rows, among which each was looked up: the same number of both, at most 20,000 (fewer
    /// in tables of more than 16 columns).
    pub reference_rows: usize,
    /// Distance of a synthetic row to the closest training row, from 0 (equal) to 1 (different in every cell): the mean
    /// over the columns of the distance of the cells, which is 0 or 1 for categories and the difference over the
    /// declared range for numbers; a missing cell is a value of its own.
    pub to_training: DistanceSummary,
    /// The same to the closest held-out row: what a table has that copies nobody.
    pub to_held_out: DistanceSummary,
    /// Distance to the closest training row over that to the second closest, from 0 to 1; 1 where both are 0. Small
    /// ratios are rows that point at one single record. Not lower than for held-out rows is good.
    pub ratio_to_training: DistanceSummary,
    /// The same ratio of held-out rows.
    pub ratio_to_held_out: DistanceSummary,
    /// The part of synthetic rows that are nearer to a training row than to any held-out row, where a tie counts half.
    /// 0.5 is ideal; an interval above it means that rows were memorised.
    pub nearer_to_training: Proportion,
}

/// Where a distribution of distances or of ratios lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DistanceSummary {
    /// The median.
    pub median: f64,
    /// What one in twenty is below.
    pub percentile_5: f64,
}

/// Measures `synthetic` against training and held-out rows, as many of both, at least two.
#[must_use]
pub fn closest(space: &Space, synthetic: &Points, training: &Points, held_out: &Points) -> ClosestRecords {
    let (train, held) = (nearest(space, synthetic, training, 2), nearest(space, synthetic, held_out, 2));
    let nearer: f64 = train
        .first()
        .zip(held.first())
        .map(|(train, held)| if train == held { 0.5 } else { f64::from(u8::from(train < held)) })
        .sum();
    ClosestRecords {
        says: SAYS.into(),
        synthetic_rows: synthetic.len(),
        reference_rows: training.len(),
        to_training: DistanceSummary::of(train.first().collect()),
        to_held_out: DistanceSummary::of(held.first().collect()),
        ratio_to_training: DistanceSummary::of(ratios(&train)),
        ratio_to_held_out: DistanceSummary::of(ratios(&held)),
        nearer_to_training: wilson(nearer, synthetic.len(), LEVEL),
    }
}

/// The nearest over the second nearest.
fn ratios(nearest: &Nearest) -> Vec<f64> {
    let ratio = |near: &[f32]| match near {
        [first, second, ..] if *second > 0.0 => f64::from(*first) / f64::from(*second),
        _ => 1.0,
    };
    nearest.distances.chunks_exact(nearest.kept.max(1)).map(ratio).collect()
}

impl DistanceSummary {
    /// Median and fifth percentile of at least one value, between neighbours where they fall between them.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { median: at(0.5), percentile_5: at(0.05) }
    }
}
