//! Does the synthetic table look like the real one: column by column, pair by pair and in threes with the
//! target, on public bins; in how strongly columns go together; and in rows that repeat. Each figure stands
//! beside what two halves of the real rows differ by.

mod associations;
mod bars;
mod bins;
mod columns;
mod distance;
mod duplicates;
mod joint;
mod marginal;
mod matrix;
mod pair;
mod sides;
mod strength;
mod triple;
mod whole;

pub use associations::{AssociationGap, AssociationMatrices, AssociationMeasure, Associations};
pub use bars::{Bar, BarKind, MAX_BARS};
pub use bins::{Bins, WIDTHS};
pub use columns::{ColumnFidelity, Ends, MissingRates, Ranges};
pub use distance::Figure;
pub use duplicates::Duplicates;
pub(super) use joint::{joint, single};
pub use marginal::{ColumnIntersection, OneWay, intersection, one_way};
pub use matrix::{MAX_MATRIX, Matrix};
pub(super) use pair::chosen_pairs;
pub use pair::{MAX_PAIRS, PairIntersection, Pairs, TwoWay, WORST_PAIRS, pair_intersection, two_way};
pub(super) use sides::Binned;
pub use triple::{MAX_TRIPLES, TripleIntersection, Triples};
pub(super) use whole::measure;
pub use whole::{ColumnMeans, Fidelity};
