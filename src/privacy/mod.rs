//! Privacy loss: units, events, accounting, the rules of the ledger, sampling and noise.
//!
//! The neighbouring relation everywhere is add/remove one privacy unit: one row, or all rows of one
//! person. Nothing here
//! reads a clock or does I/O; randomness is an argument, and only [`NoiseSource::from_os`] asks the
//! operating system for a key. Privacy loss always rounds up.

mod allowance;
mod attestation;
mod calibrate;
mod certificate;
mod discrete;
mod epsilon;
mod event;
mod gaussian;
mod keystream;
mod ledger;
mod loss;
mod noise;
mod normal;
mod person;
mod pld;
mod rdp;
mod sampling;
mod units;

pub use allowance::{Allowance, Overdrawn};
pub use attestation::{
    Accountant, ArtifactDigests, BadKey, Certificate, CertificateFault, Charge, ChargeError, DatasetFacts, Envelope,
    EnvelopeFault, Guarantee, Issuer, JobFacts, Jwk, LedgerPosition, Mechanism, PersonFacts, PublicKey, ReportCharges,
    Signature, SigningKey, Steps, digest_of_json, does_not_promise, promises,
};
pub use calibrate::{noise_multiplier, noise_multiplier_after};
pub use certificate::{certificate, residual};
pub use discrete::{Deviation, discrete_gaussian};
pub use epsilon::{epsilon, epsilon_of, epsilon_rdp};
pub use event::DpEvent;
pub use gaussian::{epsilon as gaussian_epsilon, largest_mean as gaussian_mean, upper as gaussian_delta};
pub use ledger::{
    Account, Amount, Book, BookFault, Digest, Entry, EntryKind, Findings, Grant, GrantRecord, Holding, Price,
    RECORD_VERSION, Refusal, ReservationRecord, Rule, Shares, UnitKind, Work, price,
};
pub use loss::{Loss, Release};
pub use noise::{NoiseSource, Purpose, add_gaussian, noisy_mean};
pub use normal::pair as gaussian_pair;
pub use person::{Person, Pseudonyms};
pub use rdp::AccountingError;
pub use sampling::poisson;
pub use units::{ClippingNorm, Delta, Epsilon, NoiseMultiplier, SamplingRate, UnitError};
