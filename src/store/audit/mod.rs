//! The audit log: who wrote, or read exact facts, when, and how it ended.
//!
//! Every such request is two lines ([`entry`]): one before anything is done, without which it is refused, and one when
//! its answer is known. Lines are chained by digests as those of the ledger are, and read again from the first one
//! ([`trail`]). The chain is one, so its end is one row that whoever appends must lock. Requests do not queue for it:
//! a task of each server ([`recorder`]) gathers what is to be written while the last transaction was under way, and
//! appends all of it with one more ([`append`]). So the lock is held for one insert and one commit, however many
//! requests come at a time, and nobody waits for more than two of those.
//!
//! What a database can do against its owner: lines cannot be changed, removed or reordered without breaking a digest,
//! the row with the end says when the last ones are missing, and where the log ended is witnessed in the storage
//! ([`witness`]), so that a shorter log with a fitting end is found too.

mod append;
mod entry;
mod read;
mod recorder;
mod trail;
mod witness;

pub use append::append_audit;
pub(in crate::store) use append::append_lines;
pub use entry::{AuditCompletion, AuditEntry, AuditLine, AuditOpening};
pub use read::{AuditFilter, Audited, audit_after, audit_end, audit_is_of, list_audit, verify_audit};
pub use recorder::{AuditRecorder, OpenedLine};
pub use trail::{AuditFault, AuditFindings, AuditReading, AuditTrail};
pub use witness::{AuditWitness, audit_keeps, audit_witness, replace_audit_witness, witness_audit};
