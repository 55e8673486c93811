//! Names of blobs: `<SHA-256 of what is stored in hex>-<a number of its own>`. Those of the first versions had no number.

use std::io;

use uuid::Uuid;

const DIGEST: usize = 64;
const NUMBER: usize = 32;

/// A name that no other blob has, for stored bytes with this digest.
pub(super) fn fresh(digest: &[u8]) -> String {
    format!("{}-{}", hex::encode(digest), Uuid::now_v7().simple())
}

/// Whether this can be the name of a blob: then it leads nowhere else.
pub(super) fn is_name(name: &str) -> bool {
    let hexadecimal = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    match name.split_once('-') {
        Some((digest, number)) => hexadecimal(digest, DIGEST) && hexadecimal(number, NUMBER),
        None => hexadecimal(name, DIGEST),
    }
}

/// The digest that a name promises, in hex.
pub(super) fn promised(name: &str) -> io::Result<&str> {
    if is_name(name) {
        Ok(&name[..DIGEST])
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a blob"))
    }
}
