//! Reliability, with real processes: killed, stopped, failing at each edge, cut off from the database, out of disk.
//! `make chaos` runs the long form; the figures are lines that begin with a goal's name.

mod away;
mod edges;
mod full;
mod jobs;
mod kills;
mod proxy;
mod replay;
mod served;
mod stops;
#[allow(dead_code, unused_imports)]
#[path = "../suite/support/mod.rs"]
mod support;
