//! Gradient boosting of trees with xgboost's defaults: 100 trees of depth 6, learning rate 0.3,
//! L2 penalty 1, smallest hessian in a leaf 1, 256 bins a feature.

use forust_ml::{GradientBooster, Matrix};

use super::dense::DenseLayout;
use super::logistic::sigmoid;
use crate::tabular::Table;

/// Rows whose features are laid out at a time for prediction, which bounds memory.
const BLOCK: usize = 8192;

/// A fitted model.
pub struct Boosting {
    trees: GradientBooster,
}

impl Boosting {
    /// The model of `positive` (one a row, of both kinds) given `features`, which are `width x rows`
    /// as [`DenseLayout::encode`] lays them out. `None` if the booster refuses them.
    #[must_use]
    pub fn fit(features: &[f64], width: usize, positive: &[bool]) -> Option<Self> {
        // A depth of 6 already bounds the leaves; without this line growth stops at fewer.
        let mut trees = GradientBooster::default()
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
        let labels: Vec<f64> = positive.iter().map(|&yes| f64::from(u8::from(yes))).collect();
        let matrix = Matrix::new(features, positive.len(), width);
        trees.fit_unweighted(&matrix, &labels, None).ok()?;
        Some(Self { trees })
    }

    /// The probability that each of `rows` of `table` is positive.
    #[must_use]
    pub fn probabilities(&self, layout: &DenseLayout, table: &Table, rows: &[usize]) -> Vec<f64> {
        let block = |rows: &[usize]| {
            let features = layout.encode(table, rows);
            self.trees.predict(&Matrix::new(&features, rows.len(), layout.width()), true)
        };
        rows.chunks(BLOCK).flat_map(block).map(sigmoid).collect()
    }
}
