//! Tests of the report room: laws of the measures, parity with the outside judge, and the cases
//! that a report must survive.

mod degenerate;
mod efficacy;
mod fidelity;
mod histograms;
mod models;
mod numbers;
mod parity;
mod reference;
mod scores;
mod tables;
mod whole;
