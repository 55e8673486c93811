//! Where blobs lie: a folder or a bucket, behind the same few verbs.

use std::io;
use std::time::SystemTime;

use super::bucket::Bucket;
use super::folder::Folder;
use super::handle::Seen;

/// A folder or a bucket.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

impl Place {
    /// Removes a file; one that is gone already is fine.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.remove(path),
            Self::Bucket(bucket) => bucket.remove(path),
        }
    }

    /// The files right below a path; the empty path is the root.
    pub fn files(&self, below: &str) -> io::Result<Vec<Seen>> {
        match self {
            Self::Folder(folder) => folder.files(below),
            Self::Bucket(bucket) => bucket.files(below),
        }
    }

    /// The folders right below a path.
    pub fn folders(&self, below: &str) -> io::Result<Vec<String>> {
        match self {
            Self::Folder(folder) => folder.folders(below),
            Self::Bucket(bucket) => bucket.folders(below),
        }
    }

    /// Writes a file that is not there yet; says whether it was this call that wrote it.
    pub fn put_new(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        match self {
            Self::Folder(folder) => folder.put_new(path, bytes),
            Self::Bucket(bucket) => bucket.put_new(path, bytes),
        }
    }

    /// Writes a file in the place of another one, or of none.
    pub fn put_over(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.put_over(path, bytes),
            Self::Bucket(bucket) => bucket.put_over(path, bytes),
        }
    }

    /// The content of a small file, if there is one.
    pub fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(folder) => folder.get(path),
            Self::Bucket(bucket) => bucket.get(path),
        }
    }

    /// Clears away what dead writers left half-written. In a folder a lock says who lives; in a bucket whatever is
    /// older than `moment` counts as dead.
    pub fn clear(&self, moment: SystemTime) -> io::Result<usize> {
        match self {
            Self::Folder(folder) => folder.clear(),
            Self::Bucket(bucket) => bucket.clear(moment),
        }
    }

    /// Sees to it that what was removed stays removed.
    pub fn sync(&self) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.sync(),
            Self::Bucket(_) => Ok(()),
        }
    }

    /// Bytes that blobs take. Pages are not counted: they are few and small.
    pub fn used(&self) -> io::Result<u64> {
        match self {
            Self::Folder(folder) => Ok(folder.files("")?.iter().map(|seen| seen.bytes).sum()),
            Self::Bucket(bucket) => bucket.used(),
        }
    }

    /// Bytes that are left on the disk; none for a bucket, which has no end.
    pub fn free(&self) -> io::Result<Option<u64>> {
        match self {
            Self::Folder(folder) => folder.free().map(Some),
            Self::Bucket(_) => Ok(None),
        }
    }
}
