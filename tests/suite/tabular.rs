//! Tests of `tabular`.

pub mod corpus;
mod declaration;
mod grid;
mod likeness;
mod persons;
mod round_trip;
mod strategies;
mod upload;
