//! The archive: PostgreSQL, storage and ready-made models. SQL is written here and nowhere else, one table family a file.
//!
//! No transaction spans work: each is a handful of statements. Whatever touches a budget first
//! locks its population's row, so admissions and charges on the same people happen one after the
//! other.

mod artifacts;
mod attempts;
mod audit;
mod bell;
mod blob_keys;
mod blobs;
mod budgets;
mod certificates;
mod charges;
mod checkpoints;
mod claims;
mod custodial;
mod datasets;
mod deletion;
mod deliveries;
mod edges;
pub mod embedded;
mod error;
mod events;
mod facts;
mod housekeeping;
mod jobs;
mod keys;
mod leases;
pub mod models;
mod observed;
mod orphans;
mod pool;
mod populations;
mod rescue;
mod retention;
mod scope;
mod sealed;
mod secret_file;
mod signing;
mod submissions;
mod sweep;
mod versions;
mod witness;
mod workers;

pub use artifacts::{Artifact, ArtifactKind, artifact, artifacts};
pub use attempts::{Attempt, attempts};
pub use audit::{
    AuditCompletion, AuditEntry, AuditFault, AuditFilter, AuditFindings, AuditLine, AuditOpening, AuditReading,
    AuditRecorder, AuditTrail, AuditWitness, Audited, OpenedLine, append_audit, audit_after, audit_end, audit_is_of,
    audit_keeps, audit_witness, list_audit, replace_audit_witness, verify_audit, witness_audit,
};
pub use bell::{Bell, Ring};
pub use blob_keys::{add_storage_key, drop_storage_keys, keyring, rewrap};
pub use blobs::{BlobReader, BlobWriter, Blobs, Spool, Storage, StorageError, Stored, StoredBytes, is_full};
pub use budgets::{Budget, NewBudget, budget, newest_lines, raise};
pub use certificates::{
    KnownSigner, add_signer, certificate, finishing_program, keep_certificate, program, retire_signer, signers,
};
pub use charges::{claim_block, claim_opening};
pub use checkpoints::set_checkpoint;
pub use claims::{Claimant, Claimed, claim};
pub use custodial::{Custodial, CustodianKey, Role};
pub use datasets::{
    Allowance, Dataset, NewDataset, PersonColumn, create_dataset, dataset_of_job, find_dataset, list_datasets,
};
pub use deletion::delete_dataset;
pub use deliveries::{Delivery, DeliveryState, Sent, delivery_of_job, settle_delivery, take_deliveries};
pub use edges::edge;
pub use error::StoreError;
pub use events::{ExactEvent, Happening, JobEvent, Progress, ReleasedEvent, Standing, events_since, progress_of};
pub use facts::{DatabaseFacts, database_facts};
pub use housekeeping::{forget_submissions, forget_workers};
pub use jobs::{ExactJob, Job, JobFilter, JobStatus, cancel, find_job, list_jobs, queue_position};
pub use keys::{Key, KnownKey, NewKey, any_key, find_key, insert_key, list_keys, note_use, revoke_key, shown_key};
pub use leases::{Lease, fail, finish, finish_cancelled, hand_back, progress, renew};
pub use observed::{
    AtStage, AttemptsSince, Budgets, Observed, Undelivered, Waiting, WorkDone, Workforce, add_work, attempts_since,
    database_time, observe, observing,
};
pub use orphans::{Swept, sweep_orphans};
pub use pool::{connect, lent_clean, migrate, ping, within};
pub use populations::{Population, population, populations};
pub use rescue::{Patience, Rescued, expire, rescue};
pub use retention::{Keep, Kept, MOST_DAYS, Retention, Term, kept, set_keep};
pub use scope::{Scope, Tenant};
pub use sealed::{Blob, KeySource, Keyring, KeyringError, WrappedKey};
pub use signing::{SigningKeyError, renew_signing_key, signing_key};
pub use submissions::{Idempotency, NewJob, QueueRoom, Submission, submit, submitted};
pub use sweep::{Destroyed, destroy, sweep_due};
pub use versions::{Version, add_version, latest_version, public_version, version_blob};
pub use witness::{Recovered, Rewound, recover, rewound, witness, witness_all, witness_of_job};
pub use workers::{Presence, SeenWorker, forget_worker, list_workers, report_worker};
