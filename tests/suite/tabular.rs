//! Tests of `tabular`.

pub mod corpus;
mod declaration;
mod grid;
mod round_trip;
mod strategies;
mod upload;
