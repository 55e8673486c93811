//! What tests share: a PostgreSQL cluster for the whole run and a fresh database for each test that asks.

mod cluster;
mod database;
mod promises;
mod service;

pub use cluster::{folder_of_this_run, scratch};
pub use database::{TestDatabase, fresh_database};
pub use service::{Answer, TestApi, clinic};
