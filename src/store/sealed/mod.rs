//! How blobs are sealed, and how one is destroyed that many copies may have been made of.
//!
//! Three keys, one over the other:
//!
//! - **The key of a blob.** 32 fresh random bytes, used for one blob and never again. Its content is sealed with
//!   XChaCha20-Poly1305 in chunks of 64 KiB ([`chunks`]), each under a nonce that says which chunk it is and whether it is
//!   the last: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (2015). So a chunk that was changed, moved,
//!   left out or brought from another blob is refused, and so is an end that comes too soon, before a byte of it is handed
//!   out; memory does not grow with the blob.
//! - **The storage key** ([`keyring`]) wraps the keys of blobs, with the blob's owner (the dataset) and name as associated
//!   data: a key that is put beside another name, or a blob that a row of another dataset points to, does not open. The
//!   name holds the SHA-256 of what was sealed, so a wrapped key stands for these bytes and no others. To rotate the
//!   storage key is to wrap the keys anew; blobs are not touched.
//! - **The wrapped key** is a row of `blob_keys` in the database. It is written by the statement, or in the transaction, that
//!   names the blob, and a trigger deletes it when the last thing that named the blob goes: deletion destroys the key, not
//!   because somebody thinks of it but because a row and its key have one life. What a copy of the storage still holds of
//!   the blob is noise then, to whoever has the storage key and the database too.
//!
//! Why the wrapped key is not in the blob, under a key of the dataset: then a single upload, report or checkpoint could not
//! be destroyed without all others of its dataset. Why the storage does not ask the database itself: what is written and
//! what is named would be two acts again, with crashes in between. As it is, nothing about publication has changed: a blob
//! is whole or not there, and before it is named nobody can open it. The key of one that a crash left unnamed was never
//! kept, so an orphan, or the forgotten noise key of a measurement, is unreadable from its first moment.
//!
//! A worker of another process or machine reads the wrapped key with the row that names the blob, and needs the storage
//! key. Blobs of programs that did not seal have no row in `blob_keys`; they are read as they are, and stay as they are until
//! they are removed. The witness of the ledger is not sealed: it holds no cell, and whoever recovers a database must be able to
//! read it.
//!
//! What is left to see in the storage: how many blobs there are, when they were made, and how long they are.

mod chunks;
mod keyring;
mod opener;
mod secret;
mod wrapped;

pub use chunks::{CHUNK, Chunks, HEAD, TAG, damaged, sealed_length};
pub use keyring::{KeySource, Keyring, KeyringError};
pub use opener::Opener;
pub use secret::Secret;
pub use wrapped::{Blob, WrappedKey, unwrap, wrap};
