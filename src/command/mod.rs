//! The command line.

mod account;
mod cli;
mod demo;
mod housekeeping;
mod key;
mod logging;
mod memory;
mod models;
mod serve;
mod service;
mod verify;
mod work;

pub use cli::Cli;
