//! Tests of `store::embedded`: what happens when a private cluster, or the service that runs it, starts and dies.

mod deaths;
mod process;
mod refusals;
mod starts;
