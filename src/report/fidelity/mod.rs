//! Does the synthetic table look like the real one: column by column ([`one_way`]) and pair by pair
//! ([`two_way`]), on public bins.

mod bins;
mod marginal;
mod pair;

pub use bins::{Bins, WIDTHS};
pub use marginal::{ColumnIntersection, OneWay, intersection, one_way};
pub use pair::{MAX_PAIRS, PairIntersection, TwoWay, WORST_PAIRS, pair_intersection, two_way};
