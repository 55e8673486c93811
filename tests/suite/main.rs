//! The test suite: one binary, one PostgreSQL cluster, a fresh database for each test that asks.
//!
//! The modules mirror the rooms of `src/`.

mod account;
mod api;
mod architecture;
mod client;
mod coding;
mod demo;
mod doctor;
mod documents;
mod engine;
mod fuzz;
mod marginals;
mod model;
mod mutants;
mod privacy;
mod report;
mod store;
mod support;
mod tabular;
mod worker;
