//! How much may be stored: a quota of blobs, and what must stay free on the disk.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::place::Place;

/// The quota counts what other processes stored as it was this long ago, at most.
const FRESH: Duration = Duration::from_secs(10);
/// Before anybody is refused, what is stored is counted again, but not more often than this.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether an error says that there is no room.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The limits of a place.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// Bytes that all blobs may take; 0 for no limit.
    quota: u64,
    /// Bytes that must stay free on the disk of a folder.
    min_free: u64,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Debug, Default)]
struct Counted {
    /// When what is stored was last counted.
    at: Option<Instant>,
    /// Bytes that were stored then.
    stored: u64,
    /// Bytes that this process stored since.
    since: u64,
    /// Bytes that this process is writing.
    making: u64,
    /// Bytes that were asked for last, when there was no room for them.
    refused: u64,
}

impl Room {
    pub fn new(quota: u64, min_free: u64) -> Self {
        Self { quota, min_free, counted: Arc::default() }
    }

    /// Bytes that all blobs may take; 0 for no limit.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// Refuses `coming` bytes that do not fit; remembers how many they were.
    pub fn check(&self, place: &Place, coming: u64) -> io::Result<()> {
        let asked = self.ask(place, coming.max(1));
        let full = asked.as_ref().is_err_and(is_full);
        let mut counted = self.counted();
        if full {
            counted.refused = counted.refused.max(coming);
        } else if coming >= counted.refused {
            counted.refused = 0;
        }
        drop(counted);
        asked
    }

    /// Refuses when there is no room for what was refused before, or else for a byte.
    pub fn check_again(&self, place: &Place) -> io::Result<()> {
        let refused = self.counted().refused;
        self.check(place, refused)
    }

    fn ask(&self, place: &Place, coming: u64) -> io::Result<()> {
        if self.min_free > 0
            && let Some(free) = place.free()?
            && free < self.min_free.saturating_add(coming)
        {
            let why = format!("less than {} bytes would be free on the disk (storage.min_free_bytes)", self.min_free);
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        if self.quota > 0 && self.over(place, coming, FRESH)? && self.over(place, coming, AGAIN)? {
            let why = format!("more than {} bytes would be stored (storage.quota_bytes)", self.quota);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        Ok(())
    }

    fn over(&self, place: &Place, coming: u64, fresh: Duration) -> io::Result<bool> {
        let mut counted = self.counted();
        if counted.at.is_none_or(|at| at.elapsed() >= fresh) {
            counted.stored = place.used()?;
            (counted.at, counted.since) = (Some(Instant::now()), 0);
        }
        let all = counted.stored.saturating_add(counted.since).saturating_add(counted.making);
        Ok(all.saturating_add(coming) > self.quota)
    }

    /// So many bytes more are being written.
    pub fn making(&self, bytes: u64) {
        self.counted().making += bytes;
    }

    /// So many bytes are no longer being written: they were stored, or given up.
    pub fn made(&self, bytes: u64, stored: bool) {
        let mut counted = self.counted();
        counted.making = counted.making.saturating_sub(bytes);
        if stored {
            counted.since += bytes;
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Plain sums: whoever panicked while holding it left none of them half-changed.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
