//! Tests of `tabular`.

pub mod corpus;
pub mod crafted;
mod declaration;
mod dialects;
pub mod forms;
pub mod generated;
mod grid;
mod likeness;
mod parquet;
mod persons;
mod proposal;
mod round_trip;
mod rules;
mod spellings;
mod spreadsheets;
mod strategies;
mod upload;
