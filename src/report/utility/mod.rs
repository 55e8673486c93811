//! Does a model that was fitted on the synthetic rows work on real ones that nobody trained on ([`utility`]):
//! classes by logistic regression and boosting, numbers by linear regression and boosting?

mod boosting;
mod calibration;
mod dense;
mod efficacy;
mod errors;
mod linear;
mod logistic;
mod regression;
mod scores;
mod sparse;
mod targets;
mod task;
mod trial;

pub use boosting::{BoostedNumber, Boosting};
pub use calibration::{CALIBRATION_BINS, Calibration, CalibrationBin, calibration};
pub use dense::{DenseLayout, MAX_DENSE_FEATURES};
pub(super) use efficacy::largest;
pub use efficacy::{Calibrations, Efficacy, Models};
pub use errors::{NumberScores, score_numbers};
pub use linear::Linear;
pub use logistic::Logistic;
pub use regression::{NumberModels, Regression};
pub use scores::{Scores, roc_auc, score_classes, score_positive};
pub use sparse::{SparseEncoder, SparseMatrix};
pub use targets::{Prediction, TargetUtility, utility};
pub use task::{MAX_CLASSES, MAX_FIT_CELLS, MAX_FIT_ROWS, Question, fit_rows};
pub use trial::MIN_HELD_OUT;
