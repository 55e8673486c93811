//! How good a synthetic table is, measured against the real one.
//!
//! Everything in this room is the *custodian view*: exact figures over private rows, not
//! differentially private. [`custodian`] is the one way in and [`CustodianReport`] the one type that
//! comes out; a released view, when it comes, is another type and never built from this one.
//!
//! Three questions: does every column look right ([`one_way`]), does every pair of columns
//! ([`two_way`]), and does a model that was fitted on the synthetic rows work on real ones that
//! nobody trained on ([`efficacy`]).

pub mod comparison;
pub mod evidence;
mod fidelity;
mod generators;
pub mod language;
mod page;
mod section;
mod summary;
mod utility;

pub use evidence::{Claim, Evidence, Tables, evidence};
pub use fidelity::{
    Bins, ColumnIntersection, MAX_PAIRS, OneWay, PairIntersection, TwoWay, WIDTHS, WORST_PAIRS, intersection, one_way,
    pair_intersection, two_way,
};
pub use generators::GeneratorReport;
pub use language::{LanguageView, Perplexity};
pub use page::{About, comparison_page, custodian_page, released_comparison_page, released_page};
pub use section::Section;
pub use summary::{CustodianReport, NOTICE, RowCounts, View, custodian};
pub use utility::{
    Boosting, DenseLayout, Efficacy, Logistic, MAX_CLASSES, MAX_DENSE_FEATURES, MAX_FIT_CELLS, MAX_FIT_ROWS,
    MIN_HELD_OUT, Models, Scores, SparseEncoder, SparseMatrix, Task, efficacy, roc_auc, score_classes, score_positive,
};
