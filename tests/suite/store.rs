//! The archive on a real PostgreSQL.

mod budgets;
mod embedded;
mod leases;
