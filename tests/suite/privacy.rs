//! Laws and parities of the privacy room.

mod accounting;
mod certificates;
mod counterexamples;
mod ledger;
mod oracle;
mod randomness;
