//! Messages about ends of jobs.

mod delivery;
mod hostile;
mod receiver;
