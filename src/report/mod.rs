//! How good a synthetic table is, measured against the real one.
//!
//! Everything in this room is the *custodian view*: exact figures over private rows, not
//! differentially private. [`custodian`] is the one way in and [`CustodianReport`] the one type that
//! comes out; a released view, when it comes, is another type and never built from this one.
//!
//! Three questions: does every column look right ([`one_way`]), does every pair of columns
//! ([`two_way`]), and does a model that was fitted on the synthetic rows work on real ones that
//! nobody trained on ([`efficacy`]).

mod bins;
mod boosting;
mod dense;
mod efficacy;
mod generators;
mod logistic;
mod marginal;
mod pair;
mod scores;
mod section;
mod sparse;
mod summary;
mod task;

pub use bins::{Bins, WIDTHS};
pub use boosting::Boosting;
pub use dense::{DenseLayout, MAX_DENSE_FEATURES};
pub use efficacy::{Efficacy, MIN_HELD_OUT, Models, efficacy};
pub use generators::GeneratorReport;
pub use logistic::Logistic;
pub use marginal::{ColumnIntersection, OneWay, intersection, one_way};
pub use pair::{MAX_PAIRS, PairIntersection, TwoWay, WORST_PAIRS, pair_intersection, two_way};
pub use scores::{Scores, roc_auc, score_classes, score_positive};
pub use section::Section;
pub use sparse::{SparseEncoder, SparseMatrix};
pub use summary::{CustodianReport, NOTICE, Perplexity, RowCounts, View, custodian};
pub use task::{MAX_CLASSES, MAX_FIT_CELLS, MAX_FIT_ROWS, Task};
