//! Tests of the report room: laws of the measures, parity with the outside judge, and the cases
//! that a report must survive.

mod efficacy;
mod evidence;
mod histograms;
mod language;
mod models;
mod pages;
mod parity;
mod scores;
mod tables;
mod whole;
