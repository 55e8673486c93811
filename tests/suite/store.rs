//! The archive on a real PostgreSQL.

mod audit;
mod blobs;
mod budgets;
mod embedded;
mod histories;
mod leases;
mod migrations;
mod models;
mod openings;
mod orphans;
mod public;
mod queue;
mod races;
mod retention;
mod sealed;
mod signing;
mod tampering;
mod tenants;
mod witness;
