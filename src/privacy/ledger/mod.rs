//! The rules of a budget, without a database: what a plan costs, what is admitted, what is written.
//!
#![doc = include_str!("soundness.md")]

mod account;
mod amount;
mod book;
mod entry;
mod grant;
mod price;

pub use account::{Account, Refusal, Shares};
pub use amount::Amount;
pub use book::{Book, BookFault, Findings, Holding};
pub use entry::{Digest, Entry, EntryKind, GrantRecord, RECORD_VERSION, ReservationRecord, UnitKind};
pub use grant::Grant;
pub use price::{Price, Rule, Work, price};
