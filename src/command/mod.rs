//! The command line.

mod account;
mod attested;
mod cli;
mod client;
mod completions;
mod demo;
mod doctor;
mod dumps;
mod key;
mod logging;
mod memory;
mod models;
mod recover;
mod serve;
mod service;
#[cfg(feature = "otlp")]
mod spans;
mod upkeep;
mod verify;
mod work;

pub use cli::Cli;
pub use client::Failure;
