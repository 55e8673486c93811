//! Blobs: what is too large for a row of the database, in a folder of this machine or in a bucket.
//!
//! A blob is sealed before it leaves the memory ([`sealed`](super::sealed)), temporary files and parts of an upload to a
//! bucket included. Its name is the SHA-256 of what is stored of it and a number of its own: `sha256sum` finds damage
//! without any key, and the name of a blob whose key is gone says nothing about what was in it. It is visible under its name
//! only when it is complete and on disk, so what a row of the database points to always exists whole; reading checks what
//! is stored against the name. No two blobs share a name: whoever removes one never removes what another row is about to
//! point to.
//!
//! A folder is written by our own few lines ([`folder`]) rather than by `object_store`'s: its files would have the
//! permissions of the process's umask, and its half-written ones do not tell whether their writer lives. Buckets are
//! `object_store`'s ([`bucket`]); which ones is decided by the cargo features `s3`, `gcs` and `azure`.
//!
//! Beside blobs there are pages: small files with names that are told. The witness of the ledger is written on them.
//!
//! Everything here blocks: call it from a blocking thread.

mod bucket;
mod folder;
mod handle;
mod name;
mod place;
mod reader;
mod room;
mod spool;
mod storage;
mod writer;

pub use handle::{Blobs, Seen, StoredBytes};
pub use reader::BlobReader;
pub use room::is_full;
pub use spool::Spool;
pub use storage::{Storage, StorageError};
pub use writer::{BlobWriter, Stored};
