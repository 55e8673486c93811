//! Commands that talk to a running server, as any program could: over HTTP, with a key, without its settings or its state.

mod api;
mod budget;
mod commands;
mod connection;
mod datasets;
mod download;
mod estimate;
mod failure;
mod follow;
mod job;
mod jobs;
mod output;
mod part;
mod problem;
mod schema;
mod submit;
mod upload;
mod words;

pub use api::{Api, ONCE};
pub use commands::ClientCommand;
pub use datasets::below_one_over;
pub use failure::{ENDINGS, Failure};
pub use follow::watch;
pub use words::text;
