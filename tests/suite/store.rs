//! The archive on a real PostgreSQL.

mod blobs;
mod budgets;
mod embedded;
mod leases;
mod migrations;
mod models;
mod openings;
mod public;
mod queue;
mod tampering;
