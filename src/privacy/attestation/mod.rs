//! Certificates of jobs: what a third party can check without asking anybody.
//!
//! A [`Certificate`] says what one job was charged for, what it was charged, and what follows from that. It is signed with
//! Ed25519 (RFC 8032) inside an [`Envelope`], and holds nothing that is not public or released: no number of rows but
//! the declared one, no digest of private rows (of a small table a digest can be found by trying, and a keyed one says
//! nothing to whoever lacks the key), no count of repeated blocks beyond what the ledger shows.
//!
//! [`Certificate::check`] computes epsilon again from the events, so that a wrong claim is refused even under a right
//! signature; [`Certificate::check_ledger`] finds the job's lines in an exported ledger.

mod certificate;
mod charge;
mod check;
mod envelope;
mod keys;
mod words;

pub use certificate::{
    Accountant, ArtifactDigests, Certificate, DatasetFacts, Guarantee, Issuer, JobFacts, LedgerPosition, Mechanism,
    PersonFacts, ReportCharges, Steps, digest_of_json,
};
pub use charge::{Charge, ChargeError};
pub use check::CertificateFault;
pub use envelope::{Envelope, EnvelopeFault, Signature};
pub use keys::{BadKey, Jwk, PublicKey, SigningKey};
pub use words::{does_not_promise, promises};
