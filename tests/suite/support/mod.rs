//! What tests share: a PostgreSQL cluster for the whole run and a fresh database for each test that asks.

mod cluster;
mod counted;
mod database;
mod figures;
mod promises;
pub mod queue;
mod server;
pub mod service;
mod storage;

pub use cluster::{folder_of_this_run, scratch};
pub use counted::held;
pub use database::{TestDatabase, fresh_database};
pub use figures::{dice, figure};
pub use server::Server;
pub use service::{Answer, TestApi, client, clinic};
pub use storage::{blob_named, blobs_in, ring, storage_of};

/// How often a test repeats itself: `long` when DP2STAGE_LONG is set (`make long`), else `short`.
pub fn repeats(short: usize, long: usize) -> usize {
    if std::env::var_os("DP2STAGE_LONG").is_some() { long } else { short }
}
