//! Tests of the report room: laws of the measures, parity with the outside judge, and the cases
//! that a report must survive.

mod degenerate;
mod efficacy;
mod evidence;
mod fidelity;
mod histograms;
mod language;
mod models;
mod numbers;
mod pages;
mod parity;
mod reference;
mod released;
mod scores;
mod tables;
mod whole;
