//! The API over the wire: what is promised in `openapi/openapi.yaml`.

mod contract;
mod journey;
