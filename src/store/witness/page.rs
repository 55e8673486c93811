//! Lines as pages of the storage.

use std::io;

use uuid::Uuid;

use crate::privacy::Entry;
use crate::store::blobs::Blobs;

/// The folder of all ledgers.
const LEDGERS: &str = "ledger";
/// Digits of a line's number, so that names sort as numbers do.
const DIGITS: usize = 12;

fn folder(population: Uuid) -> String {
    format!("{LEDGERS}/{population}")
}

fn page(population: Uuid, seq: i64) -> String {
    format!("{}/{seq:0DIGITS$}", folder(population))
}

/// Populations of which a line is witnessed, in their order.
pub(super) fn populations(blobs: &Blobs) -> io::Result<Vec<Uuid>> {
    let mut ids: Vec<Uuid> = blobs.folders(LEDGERS)?.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// The number of the last witnessed line; 0 when there is none.
pub(super) fn last(blobs: &Blobs, population: Uuid) -> io::Result<i64> {
    let pages = blobs.pages(&folder(population))?;
    Ok(pages.iter().filter_map(|name| name.parse().ok()).max().unwrap_or(0))
}

/// A witnessed line.
pub(super) fn read(blobs: &Blobs, population: Uuid, seq: i64) -> io::Result<Option<Entry>> {
    let Some(bytes) = blobs.page(&page(population, seq))? else { return Ok(None) };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a witnessed line of a ledger cannot be read");
    let entry: Entry = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    if entry.seq == seq { Ok(Some(entry)) } else { Err(damaged()) }
}

/// Witnesses a line; says whether the witness, new or old, says the same as the line.
pub(super) fn write(blobs: &Blobs, population: Uuid, entry: &Entry) -> io::Result<bool> {
    if blobs.put_page(&page(population, entry.seq), &serde_json::to_vec(entry)?)? {
        return Ok(true);
    }
    Ok(read(blobs, population, entry.seq)?.is_some_and(|known| known == *entry))
}
