//! Messages about ends of jobs.

mod delivery;
mod hostile;
pub mod receiver;
