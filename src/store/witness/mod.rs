//! The witness of the ledger: every line, once more, outside of the database.
//!
//! A database that is restored from a backup has forgotten what was spent since. So each line is also a page of the
//! storage, `ledger/<population>/<number of the line>`, written after its commit and before the work that it pays for
//! begins ([`copy`]). Lines are written in their order: where one is, all before it are. A server and a worker do not
//! begin on a database that lacks a witnessed line ([`compare`]); `dp2stage recover` writes those lines back, never
//! fewer than were spent ([`recover`]).
//!
//! Blocks that repeat are paid for by a plan's spare ones, and leave no line: how many a job has begun is a page of its
//! own ([`blocks`]), so that a job which is set back by a restore does not repeat more of them than its charge covers.

mod blocks;
mod compare;
mod copy;
mod page;
mod recover;

pub use compare::{Rewound, rewound};
pub use copy::{witness, witness_all, witness_of_job};
pub use recover::{Recovered, recover};
