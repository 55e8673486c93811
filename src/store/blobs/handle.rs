//! The storage: blobs under the digests of what is stored of them, and pages under names that are told.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::folder::Folder;
use super::name;
use super::place::Place;
use super::reader::{self, BlobReader};
use super::room::Room;
use super::spool::Spool;
use super::writer::{BlobWriter, Stored};
use crate::engine::{KEPT_KEY_BYTES, is_kept_key};
use crate::store::sealed::{Blob, Keyring, sealed_length};

/// The storage; cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(super) place: Place,
    pub(super) room: Room,
    pub(super) keys: Keyring,
    /// Whose blobs are made through this handle.
    pub(super) owner: Uuid,
    /// How far this process knows each ledger, and the blocks of each job, to be witnessed.
    pub(in crate::store) witnessed: Arc<Mutex<HashMap<Uuid, i64>>>,
}

/// Something that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name, without the folder that it is in.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was published, by the clock of the storage.
    pub modified: SystemTime,
}

/// How full the storage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBytes {
    /// Bytes that blobs take.
    pub used: u64,
    /// Bytes that they may take; 0 for no limit.
    pub quota: u64,
    /// Bytes that are left on the disk; none for a bucket.
    pub free: Option<u64>,
}

impl Blobs {
    pub(super) fn new(place: Place, room: Room, keys: Keyring) -> Self {
        Self { place, room, keys, owner: Uuid::nil(), witnessed: Arc::default() }
    }

    /// The same storage, to store what belongs to a dataset: its rows, and what is made from them.
    #[must_use]
    pub fn of(&self, dataset: Uuid) -> Self {
        Self { owner: dataset, ..self.clone() }
    }

    /// Opens a folder without limits, making it if needed, readable by its owner alone. Clears away what killed
    /// processes left half-written; files in the making of living ones are locked, and stay.
    ///
    /// # Errors
    /// I/O faults.
    pub fn open(root: &Path, keys: Keyring) -> io::Result<Self> {
        Ok(Self::new(Place::Folder(Folder::open(root)?), Room::new(0, 0), keys))
    }

    /// Begins a blob. Dropped unpublished, it leaves nothing.
    ///
    /// # Errors
    /// I/O faults; `StorageFull` and `QuotaExceeded` where there is no room for a byte.
    pub fn create(&self) -> io::Result<BlobWriter> {
        BlobWriter::new(self, 0)
    }

    /// A place for bytes that are to be read before they are stored, sealed and without a name.
    ///
    /// # Errors
    /// I/O faults; `StorageFull` and `QuotaExceeded` where there is no room for a byte.
    pub fn spool(&self) -> io::Result<Spool> {
        self.room.check(&self.place, 0)?;
        Spool::new(self)
    }

    /// Stores bytes that are at hand.
    ///
    /// # Errors
    /// As [`Self::create`] and [`BlobWriter::publish`].
    pub fn put(&self, bytes: &[u8]) -> io::Result<Stored> {
        // All of it fits, or not a byte is written.
        let mut writer = BlobWriter::new(self, sealed_length(bytes.len() as u64))?;
        writer.write_all(bytes)?;
        writer.publish()
    }

    /// The content of a blob.
    ///
    /// # Errors
    /// I/O faults; `InvalidData` when it is not what was stored, or its key does not open it; `Other` when the storage
    /// key is not there.
    pub fn read(&self, blob: &Blob) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(blob)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// A blob to be read piece by piece; a piece, or the end, is an error where it is not what was stored.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn reader(&self, blob: &Blob) -> io::Result<BlobReader> {
        BlobReader::open(self, blob)
    }

    /// Whether there is a blob of this name. Its content is not read.
    ///
    /// # Errors
    /// I/O faults.
    pub fn has(&self, name: &str) -> io::Result<bool> {
        match reader::Stored::open(&self.place, name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a blob that nothing points to any more; one that is gone already is fine.
    ///
    /// # Errors
    /// I/O faults.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        name::promised(name)?;
        self.place.remove(name)
    }

    /// Whether there is room: for as many bytes as this process was refused last, or for a byte.
    ///
    /// # Errors
    /// `StorageFull` and `QuotaExceeded` when there is none; I/O faults.
    pub fn check_room(&self) -> io::Result<()> {
        self.room.check_again(&self.place)
    }

    /// What is stored, and what there is room for. Looks at every blob.
    ///
    /// # Errors
    /// I/O faults.
    pub fn stored_bytes(&self) -> io::Result<StoredBytes> {
        Ok(StoredBytes { used: self.place.used()?, quota: self.room.quota(), free: self.place.free()? })
    }

    /// The blobs that have been there for so long. What is in the folder and is no blob is not among them.
    ///
    /// # Errors
    /// I/O faults.
    pub fn older_than(&self, age: Duration) -> io::Result<Vec<Seen>> {
        let Some(moment) = SystemTime::now().checked_sub(age) else { return Ok(Vec::new()) };
        let blobs = self.place.files("")?.into_iter();
        Ok(blobs.filter(|seen| name::is_name(&seen.name) && seen.modified <= moment).collect())
    }

    /// Whether a blob that is not sealed is the key of a measurement, which nobody must keep. A sealed one that nothing
    /// names is no key any more: what would open it is gone.
    ///
    /// # Errors
    /// I/O faults.
    pub fn is_key(&self, seen: &Seen) -> io::Result<bool> {
        if seen.bytes != KEPT_KEY_BYTES as u64 {
            return Ok(false);
        }
        match self.read(&Blob::plain(&seen.name)) {
            Ok(bytes) => Ok(is_kept_key(&bytes)),
            // Its job may have ended, and taken it along; and what is damaged is no key any more.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes blobs for good.
    ///
    /// # Errors
    /// I/O faults.
    pub fn remove_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        names.into_iter().try_for_each(|name| self.remove(name))?;
        self.place.sync()
    }

    /// Clears away what was left half-written by writers that are dead: in a folder a lock says so, in a bucket
    /// whatever is so old counts as such. Returns how many there were.
    ///
    /// # Errors
    /// I/O faults.
    pub fn clear_unfinished(&self, age: Duration) -> io::Result<usize> {
        SystemTime::now().checked_sub(age).map_or(Ok(0), |moment| self.place.clear(moment))
    }

    /// Writes a page that is not there yet; says whether it was this call that wrote it. Quotas do not hold for
    /// pages.
    pub(in crate::store) fn put_page(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        self.place.put_new(path, bytes)
    }

    /// Writes a page in the place of another one, or of none.
    pub(in crate::store) fn replace_page(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.place.put_over(path, bytes)
    }

    /// The content of a page, if there is one.
    pub(in crate::store) fn page(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.place.get(path)
    }

    /// The names of the pages in a folder.
    pub(in crate::store) fn pages(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(self.place.files(folder)?.into_iter().map(|seen| seen.name).collect())
    }

    /// The names of the folders in a folder.
    pub(in crate::store) fn folders(&self, folder: &str) -> io::Result<Vec<String>> {
        self.place.folders(folder)
    }
}
