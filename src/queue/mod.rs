//! The clerks: workers under leases, and the supervision of local ones.
//!
//! A worker claims a job for a lease, renews the lease while it works, and lets every effect name
//! the epoch of its claim. What it cannot finish it hands back; what dies with it is put back by the
//! rescuer when the lease runs out. The engine's three ports, [`crate::engine::Meter`],
//! [`crate::engine::Vault`] and [`crate::engine::Stop`], are implemented here by [`Tether`].

mod appraisal;
mod attempt;
mod crew;
mod energy;
mod fault;
mod heartbeat;
mod presence;
mod rescuer;
mod terms;
mod tether;
mod witness;
mod worker;

pub use crew::{Crew, supervise};
pub use rescuer::watch;
pub use terms::LeaseTerms;
pub use tether::Tether;
pub use worker::Worker;
