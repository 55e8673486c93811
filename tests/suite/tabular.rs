//! Tests of `tabular`.

pub mod corpus;
mod declaration;
mod dialects;
pub mod generated;
mod grid;
mod likeness;
mod persons;
mod proposal;
mod round_trip;
mod spreadsheets;
mod strategies;
mod upload;
