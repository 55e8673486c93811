//! Reliability, with real processes: killed, stopped, cut off from the database, out of disk. `make chaos` runs the long
//! form; the figures are lines that begin with the goal's name.

#[allow(dead_code, unused_imports)]
#[path = "../suite/support/mod.rs"]
mod support;
