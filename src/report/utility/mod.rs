//! Does a model that was fitted on the synthetic rows work on real ones that nobody trained on
//! ([`efficacy`])?

mod boosting;
mod dense;
mod efficacy;
mod logistic;
mod scores;
mod sparse;
mod task;

pub use boosting::Boosting;
pub use dense::{DenseLayout, MAX_DENSE_FEATURES};
pub use efficacy::{Efficacy, MIN_HELD_OUT, Models, efficacy};
pub use logistic::Logistic;
pub use scores::{Scores, roc_auc, score_classes, score_positive};
pub use sparse::{SparseEncoder, SparseMatrix};
pub use task::{MAX_CLASSES, MAX_FIT_CELLS, MAX_FIT_ROWS, Task};
