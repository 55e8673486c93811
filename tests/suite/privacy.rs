//! Laws and parities of the privacy room.

mod accounting;
mod ledger;
mod randomness;
