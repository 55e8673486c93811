//! A private PostgreSQL for a service that was given no `DATABASE_URL`.
//!
//! The service looks for the server's programs on this machine ([`Places`]), makes a cluster in its state folder and
//! runs the server as a child: a Unix socket of its own, no TCP port, no password on disk, every safety switch on.
//! As root it hands the server to the account `postgres` (or `nobody`), because PostgreSQL refuses to run as root.
//! A dedicated thread starts the server again when it dies, and the kernel ends the server when the service dies.
//!
//! This is a default for development, demonstrations and tests. Production names its database in `DATABASE_URL`.
//!
//! ```no_run
//! # use dp2stage::store::embedded::{Cluster, ClusterConfig, default_state_dir};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::start(&ClusterConfig::new(default_state_dir()?))?;
//! println!("{}", cluster.url());
//! cluster.stop();
//! # Ok(()) }
//! ```

mod account;
mod binaries;
mod cluster;
mod error;
mod initdb;
mod launch;
mod parent_death;
mod postmaster;
mod state;
mod supervisor;

pub use binaries::{Binaries, OLDEST_MAJOR, Places};
pub use cluster::{Cluster, ClusterConfig, DATABASE, Durability, running};
pub use error::EmbeddedError;
pub use state::default_state_dir;
