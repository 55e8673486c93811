//! Storage: blobs are whole or not there, and what their name says; in a folder as in a bucket.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use dp2stage::store::{Blobs, Storage, StorageError};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::scratch;

/// Content of more than one part of a bucket's upload.
fn large() -> Vec<u8> {
    (0..13_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count()
}

/// A folder that is named by its path, one that is named by its address, and a bucket in memory.
fn places() -> (TempDir, Vec<(&'static str, Blobs)>) {
    let folder = scratch();
    let storage = |url: String| Storage { url, quota_bytes: 0, min_free_bytes: 0 };
    let named = Blobs::open(&folder.path().join("named")).unwrap();
    let addressed = storage(format!("file://{}/addressed", folder.path().display())).open().unwrap();
    let bucket = storage("memory:///prefix/of/mine".into()).open().unwrap();
    (folder, vec![("path", named), ("file://", addressed), ("bucket", bucket)])
}

/// All blobs there are.
fn stored(blobs: &Blobs) -> Vec<String> {
    let mut names: Vec<String> = blobs.older_than(Duration::ZERO).unwrap().into_iter().map(|seen| seen.name).collect();
    names.sort();
    names
}

#[test]
fn a_blob_is_whole_or_not_there_wherever_it_is() {
    let (_folder, places) = places();
    for (place, blobs) in &places {
        for content in [Vec::new(), b"small".to_vec(), large()] {
            let mut unfinished = blobs.create().unwrap();
            unfinished.write_all(&content).unwrap();
            assert!(stored(blobs).is_empty(), "{place}: visible before it is published");
            drop(unfinished);
            assert!(stored(blobs).is_empty(), "{place}: an unpublished blob leaves nothing");
            let mut writer = blobs.create().unwrap();
            for piece in content.chunks(100_000) {
                writer.write_all(piece).unwrap();
            }
            let put = writer.publish().unwrap();
            assert_eq!(put.bytes, content.len() as u64, "{place}");
            assert!(put.name.starts_with(&hex::encode(Sha256::digest(&content))), "{place}: {}", put.name);
            assert_eq!(stored(blobs), std::slice::from_ref(&put.name), "{place}");
            assert!(blobs.read(&put.name).unwrap() == content, "{place}: another content");
            let mut slowly = Vec::new();
            let mut reader = blobs.reader(&put.name).unwrap();
            let mut piece = vec![0; 70_001];
            while let Some(read) = Some(reader.read(&mut piece).unwrap()).filter(|read| *read > 0) {
                slowly.extend_from_slice(&piece[..read]);
            }
            assert!(slowly == content, "{place}: piece by piece");
            blobs.remove(&put.name).unwrap();
            blobs.remove(&put.name).unwrap();
            let gone = blobs.read(&put.name).unwrap_err();
            assert_eq!(gone.kind(), std::io::ErrorKind::NotFound, "{place}");
        }
        assert_eq!(blobs.clear_unfinished(Duration::ZERO).unwrap(), 0, "{place}: nothing half-written is left");
    }
}

/// Whoever removes a blob does not remove the equal one that somebody stored in the meantime.
#[test]
fn equal_contents_have_lives_of_their_own() {
    let (_folder, places) = places();
    for (place, blobs) in &places {
        let [one, other] = [(); 2].map(|()| blobs.put(b"the same").unwrap().name);
        assert_ne!(one, other, "{place}");
        assert_eq!(one[..64], other[..64], "{place}: the digest is the content's");
        blobs.remove(&one).unwrap();
        assert_eq!(blobs.read(&other).unwrap(), b"the same", "{place}");
    }
}

#[test]
fn a_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch();
    let blobs = Blobs::open(&folder.path().join("state/blobs")).unwrap();
    let name = blobs.put(b"rows").unwrap().name;
    let mode = |path: &str| fs::metadata(folder.path().join("state/blobs").join(path)).unwrap().permissions().mode();
    assert_eq!((mode("") & 0o777, mode("tmp") & 0o777, mode(&name) & 0o777), (0o700, 0o700, 0o600));
}

#[test]
fn damage_is_noticed() {
    let folder = scratch();
    let blobs = Blobs::open(folder.path()).unwrap();
    let stored = blobs.put(&[7; 10_000]).unwrap();
    let path = folder.path().join(&stored.name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    fs::write(&path, bytes).unwrap();
    blobs.read(&stored.name).unwrap_err();
    let mut sink = Vec::new();
    blobs.reader(&stored.name).unwrap().read_to_end(&mut sink).unwrap_err();
}

/// Blobs of the first versions have a digest for a name and nothing else.
#[test]
fn blobs_of_earlier_versions_are_read() {
    let folder = scratch();
    let blobs = Blobs::open(folder.path()).unwrap();
    let name = hex::encode(Sha256::digest(b"old"));
    fs::write(folder.path().join(&name), b"old").unwrap();
    assert_eq!(blobs.read(&name).unwrap(), b"old");
    assert_eq!(stored(&blobs), std::slice::from_ref(&name));
    blobs.remove(&name).unwrap();
    blobs.read(&name).unwrap_err();
}

#[test]
fn names_lead_nowhere_else() {
    let (folder, places) = places();
    fs::write(folder.path().join("secret"), "x").unwrap();
    let digest = "a".repeat(64);
    for (_, blobs) in &places {
        let odd =
            [&digest[1..], &format!("{}/", &digest[1..]), &format!("{digest}-"), &format!("{digest}-../../secret")];
        for name in ["../secret", "/etc/passwd", "", "tmp", "ledger"].iter().chain(&odd) {
            assert!(blobs.reader(name).is_err() && blobs.remove(name).is_err(), "{name}");
        }
    }
    assert!(folder.path().join("secret").exists());
}

#[test]
fn opening_clears_what_the_dead_left_and_nothing_else() {
    let folder = scratch();
    let blobs = Blobs::open(folder.path()).unwrap();
    let mut writer = blobs.create().unwrap();
    writer.write_all(b"at work").unwrap();
    // A file that no living process holds.
    fs::write(folder.path().join("tmp/left"), "half").unwrap();
    Blobs::open(folder.path()).unwrap();
    assert_eq!(files(&folder.path().join("tmp")), 1);
    fs::write(folder.path().join("tmp/left"), "half").unwrap();
    assert_eq!(
        blobs.clear_unfinished(Duration::from_secs(3600)).unwrap(),
        1,
        "a lock says that it is dead, not its age"
    );
    assert_eq!(blobs.read(&writer.publish().unwrap().name).unwrap(), b"at work");
}

/// The age of a blob counts from its publication, however long ago its last byte was written.
#[test]
fn a_blob_is_young_when_it_is_published() {
    let folder = scratch();
    let blobs = Blobs::open(folder.path()).unwrap();
    let mut writer = blobs.create().unwrap();
    writer.write_all(b"long ago").unwrap();
    writer.flush().unwrap();
    let making = fs::read_dir(folder.path().join("tmp")).unwrap().next().unwrap().unwrap().path();
    let old = SystemTime::now() - Duration::from_secs(7200);
    File::options().append(true).open(making).unwrap().set_modified(old).unwrap();
    writer.publish().unwrap();
    assert!(blobs.older_than(Duration::from_secs(3600)).unwrap().is_empty());
    assert_eq!(stored(&blobs).len(), 1);
}

#[test]
fn addresses_are_understood_or_refused_by_name() {
    let open = |url: &str| Storage { url: url.into(), quota_bytes: 0, min_free_bytes: 0 }.open().map(|_| ());
    open("memory:///").unwrap();
    for odd in ["", "blobs", "ftp://host/x", "file:relative", "http://host/bucket"] {
        assert!(matches!(open(odd), Err(StorageError::Address(_))), "{odd}");
    }
    for (url, feature, built) in [
        ("s3://bucket/prefix", "s3", cfg!(feature = "s3")),
        ("gs://bucket/prefix", "gcs", cfg!(feature = "gcs")),
        ("az://container/prefix", "azure", cfg!(feature = "azure")),
    ] {
        match open(url) {
            Err(StorageError::Missing(_, told)) => assert!(told == feature && !built, "{url}"),
            other => assert!(built, "{url}: {other:?}"),
        }
    }
    let folder = scratch();
    let odd = folder.path().join("with space and %41 ü");
    Storage::folder(&odd).open().unwrap().put(b"x").unwrap();
    assert!(odd.is_dir(), "a path is the path that it says");
}

/// What does not fit is refused, at the start where its size is known and in the middle where it is not; nothing of
/// it stays, and what is removed makes room.
#[test]
fn a_quota_holds_wherever_blobs_are() {
    let folder = scratch();
    for url in [format!("file://{}/blobs", folder.path().display()), "memory:///".to_owned()] {
        let blobs = Storage { url: url.clone(), quota_bytes: 1 << 20, min_free_bytes: 0 }.open().unwrap();
        let first = blobs.put(&vec![1; 900_000]).unwrap().name;
        let refused = blobs.put(&vec![2; 200_000]).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::QuotaExceeded, "{url}");
        assert!(refused.to_string().contains("quota_bytes"), "{refused}");
        blobs.check_room().expect_err("there is no room for what was refused");
        blobs.put(&vec![3; 100_000]).unwrap();
        let mut writer = blobs.create().unwrap();
        let refused = (0..1000).find_map(|_| writer.write_all(&[4; 1000]).err()).expect("beyond the quota");
        assert_eq!(refused.kind(), std::io::ErrorKind::QuotaExceeded, "{url}");
        drop(writer);
        let mut writer = blobs.create().unwrap();
        writer.write_all(&[5; 90_000]).unwrap();
        assert!(writer.publish().is_err(), "{url}: the last bytes count too");
        assert_eq!((stored(&blobs).len(), blobs.clear_unfinished(Duration::ZERO).unwrap()), (2, 0), "{url}");
        blobs.remove(&first).unwrap();
        // What others removed is noticed after a moment.
        std::thread::sleep(Duration::from_millis(1100));
        blobs.check_room().unwrap();
        blobs.put(&vec![6; 900_000]).unwrap();
    }
}

/// Two processes on one folder share the quota.
#[test]
fn a_quota_counts_what_others_store() {
    let folder = scratch();
    let storage = Storage { quota_bytes: 1 << 20, ..Storage::folder(&folder.path().join("blobs")) };
    let [one, other] = [(); 2].map(|()| storage.open().unwrap());
    one.put(&vec![1; 900_000]).unwrap();
    assert_eq!(other.put(&vec![2; 200_000]).unwrap_err().kind(), std::io::ErrorKind::QuotaExceeded);
}

#[test]
fn a_disk_is_not_filled_to_the_brim() {
    let folder = scratch();
    let storage = Storage { min_free_bytes: u64::MAX / 2, ..Storage::folder(&folder.path().join("blobs")) };
    let blobs = storage.open().unwrap();
    assert_eq!(blobs.create().map(|_| ()).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(blobs.put(b"x").unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(blobs.check_room().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(files(&folder.path().join("blobs/tmp")), 0);
    let bucket = Storage { url: "memory:///".into(), ..storage }.open().unwrap();
    bucket.put(b"x").expect("a bucket has no disk of ours");
}
