//! Laws and parities of the privacy room.

mod accounting;
mod attestation;
mod certificates;
mod counterexamples;
mod discrete;
mod gaussians;
mod ledger;
mod oracle;
mod randomness;
