//! What is told to Prometheus, at an address of its own and without a key: how the server answers, and how the queue, the
//! workers, the budgets and the storage stand. One endpoint tells of the whole installation; workers open nothing.
//!
//! Every label has a few values that are written down in this room or are templates of routes: no tenant, no name, no id,
//! and nothing that a caller chose.

mod attempts;
mod counted;
mod endpoint;
mod families;
mod told;

pub use counted::Metrics;
pub use endpoint::{Sources, tell};

pub(super) use counted::layer;
