//! The API over the wire: what is promised in `openapi/openapi.yaml`.

mod auth;
mod bodies;
mod contract;
mod datasets;
mod journey;
mod malformed;
mod neighbours;
mod persons;
mod problems;
mod public;
mod reading;
mod ready_made;
mod refusal;
mod restore;
mod samples;
mod streaming;
mod submissions;
mod views;
mod wire;
