//! The API over the wire: what is promised in `openapi/openapi.yaml`.

mod auth;
mod bodies;
mod certificates;
mod contract;
mod datasets;
mod events;
mod idempotency;
mod journey;
mod malformed;
mod neighbours;
mod pages;
mod persons;
mod pollers;
mod problems;
mod public;
mod reading;
mod ready_made;
mod refusal;
mod restore;
mod samples;
mod streaming;
mod submissions;
mod tags;
mod views;
mod webhooks;
mod wire;
