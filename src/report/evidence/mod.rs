//! What an attacker could learn about the people behind the training rows from the synthetic table: nearness to
//! training rows ([`closest`]), copies ([`copies`]), attacks on membership ([`membership`]) and on attributes
//! ([`attributes`]).
//!
//! Everything is held against rows that nobody trained on. A synthetic table may be near to real rows because it is
//! good; what counts is whether it is nearer to those that it was made of.
//!
//! Distances are Gower's on public ranges ([`Space`]); all of them are computed, on fixed samples of the tables
//! ([`Caps`]).

mod attributes;
mod audit;
mod canaries;
mod caps;
mod closest;
mod copies;
mod figures;
mod intervals;
mod membership;
mod nearest;
mod separation;
mod space;
mod whole;

pub use attributes::{Attribute, Attributes, MAX_ATTRIBUTES, attributes};
pub use audit::{one_run_bound, two_rates_bound};
pub use canaries::{CanaryAudit, canary_audit, cell_by_cell};
pub use caps::Caps;
pub use closest::{ClosestRecords, DistanceSummary, closest};
pub use copies::{Copies, copies};
pub use figures::{Difference, Interval, Proportion};
pub use intervals::{
    LEVEL, binomial_quantile_bounds, binomial_tail, difference_of_pairs, difference_of_shares, normal_quantile, wilson,
};
pub use membership::{Attack, MIN_CANDIDATES, Membership, Operating, membership};
pub use nearest::{Nearest, nearest};
pub use separation::{area_with_interval, implied_epsilon, operating};
pub use space::{Points, Space};
pub use whole::{Claim, Evidence, evidence, unmeasured};
