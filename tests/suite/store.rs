//! The archive on a real PostgreSQL.

mod blobs;
mod budgets;
mod embedded;
mod leases;
mod migrations;
mod models;
mod openings;
mod orphans;
mod public;
mod tampering;
mod witness;
