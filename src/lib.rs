//! dp2stage: an HTTP job service that turns private tables into differentially private synthetic
//! tables with language models.
//!
//! Four floors, one direction (see ARCHITECTURE.md): [`http`] on top; then [`queue`] and [`store`];
//! then [`engine`] and [`report`]; the mathematics ([`model`], [`tabular`], [`privacy`]) at the
//! bottom. `tests/suite/architecture.rs` proves it.
#![deny(missing_docs, unsafe_code)]

pub mod engine;
pub mod http;
pub mod marginals;
pub mod model;
pub mod privacy;
pub mod queue;
pub mod report;
pub mod store;
pub mod tabular;
