//! Gradient boosting of trees with xgboost's defaults: 100 trees of depth 6, learning rate 0.3,
//! L2 penalty 1, smallest hessian in a leaf 1, 256 bins a feature.

use forust_ml::objective::ObjectiveType;
use forust_ml::{GradientBooster, Matrix};

use super::dense::DenseLayout;
use super::logistic::sigmoid;
use crate::tabular::Table;

/// Rows whose features are laid out at a time for prediction, which bounds memory.
const BLOCK: usize = 8192;

/// A fitted model of yes or no.
pub struct Boosting {
    trees: GradientBooster,
}

/// A fitted model of a number.
pub struct BoostedNumber {
    trees: GradientBooster,
    mean: f64,
    deviation: f64,
}

impl Boosting {
    /// The model of `positive` (one a row, of both kinds) given `features`, which are `width x rows`
    /// as [`DenseLayout::encode`] lays them out. `None` if the booster refuses them.
    #[must_use]
    pub fn fit(features: &[f64], width: usize, positive: &[bool]) -> Option<Self> {
        let labels: Vec<f64> = positive.iter().map(|&yes| f64::from(u8::from(yes))).collect();
        Some(Self { trees: fitted(ObjectiveType::LogLoss, (features, width), &labels)? })
    }

    /// The probability that each of `rows` of `table` is positive.
    #[must_use]
    pub fn probabilities(&self, layout: &DenseLayout, table: &Table, rows: &[usize]) -> Vec<f64> {
        margins(&self.trees, layout, table, rows).map(sigmoid).collect()
    }
}

impl BoostedNumber {
    /// The model of `values` (one a row, not all equal) given `features`; as [`Boosting::fit`].
    #[must_use]
    pub fn fit(features: &[f64], width: usize, values: &[f64]) -> Option<Self> {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        // The booster sums in single precision, which seconds since 1970 would not survive.
        let standard: Vec<f64> = values.iter().map(|value| (value - mean) / deviation).collect();
        let trees = fitted(ObjectiveType::SquaredLoss, (features, width), &standard)?;
        Some(Self { trees, mean, deviation })
    }

    /// The value of each of `rows` of `table`.
    #[must_use]
    pub fn predict(&self, layout: &DenseLayout, table: &Table, rows: &[usize]) -> Vec<f64> {
        margins(&self.trees, layout, table, rows).map(|margin| self.mean + self.deviation * margin).collect()
    }
}

fn fitted(objective: ObjectiveType, (features, width): (&[f64], usize), answers: &[f64]) -> Option<GradientBooster> {
    // A depth of 6 already bounds the leaves; without this line growth stops at fewer.
    let mut trees = GradientBooster::default()
        .set_objective_type(objective)
        .set_iterations(100)
        .set_max_depth(6)
        .set_max_leaves(usize::MAX)
        .set_learning_rate(0.3)
        .set_l2(1.0)
        .set_gamma(0.0)
        .set_min_leaf_weight(1.0)
        .set_nbins(256)
        .set_initialize_base_score(true)
        .set_tiled_histograms(true)
        .set_parallel(true);
    trees.fit_unweighted(&Matrix::new(features, answers.len(), width), answers, None).ok()?;
    Some(trees)
}

fn margins<'a>(
    trees: &'a GradientBooster,
    layout: &'a DenseLayout,
    table: &'a Table,
    rows: &'a [usize],
) -> impl Iterator<Item = f64> + 'a {
    rows.chunks(BLOCK).flat_map(|rows| {
        let features = layout.encode(table, rows);
        trees.predict(&Matrix::new(&features, rows.len(), layout.width()), true)
    })
}
