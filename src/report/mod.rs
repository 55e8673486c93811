//! How good a synthetic table is, measured against the real one.
//!
//! Two views, two types that are never made from each other. The *custodian view*: exact figures over private rows, not
//! differentially private; [`custodian`] is the one way in and [`CustodianReport`] the one type that comes out. And
//! [`released`]: figures with noise that was paid for.
//!
//! Two questions: does the table look right ([`Fidelity`]: columns, pairs, threes, associations, beside what
//! chance makes of them), and does a model that was fitted on the synthetic rows work on real ones that
//! nobody trained on ([`utility`]).

pub mod comparison;
pub mod evidence;
mod fidelity;
mod generators;
mod kept_rules;
pub mod language;
mod page;
pub mod released;
mod section;
mod stage;
mod summary;
mod tables;
mod utility;
mod wishes;

pub use evidence::{Claim, Evidence, evidence};
pub use fidelity::{
    AssociationGap, AssociationMatrices, AssociationMeasure, Associations, Bar, BarKind, Bins, ColumnFidelity,
    ColumnIntersection, ColumnMeans, Duplicates, Ends, Fidelity, Figure, MAX_BARS, MAX_MATRIX, MAX_PAIRS, MAX_TRIPLES,
    Matrix, MissingRates, OneWay, PairIntersection, Pairs, Ranges, TripleIntersection, Triples, TwoWay, WIDTHS,
    WORST_PAIRS, intersection, one_way, pair_intersection, two_way,
};
pub use generators::GeneratorReport;
pub use kept_rules::{KeptRule, KeptRules};
pub use language::{LanguageView, Perplexity};
pub use page::{
    About, STYLE, comparison_page, count, custodian_page, figure, percent, released_comparison_page, released_page,
};
pub use section::Section;
pub use stage::StageOneReport;
pub use summary::{CustodianReport, NOTICE, RowCounts, View, custodian};
pub use tables::Tables;
pub use utility::{
    BoostedNumber, Boosting, CALIBRATION_BINS, Calibration, CalibrationBin, Calibrations, DenseLayout, Efficacy,
    Linear, Logistic, MAX_CLASSES, MAX_DENSE_FEATURES, MAX_FIT_CELLS, MAX_FIT_ROWS, MIN_HELD_OUT, Models, NumberModels,
    NumberScores, Prediction, Question, Regression, Scores, SparseEncoder, SparseMatrix, TargetUtility, calibration,
    fit_rows, roc_auc, score_classes, score_numbers, score_positive, utility,
};
pub use wishes::{MAX_TARGETS, Wishes};
