//! Storage: blobs are whole or not there, and what was stored; in a folder as in a bucket.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use dp2stage::store::{Blob, Blobs, Storage, StorageError};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{blobs_in, ring, scratch};

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
    let named = blobs_in(&folder.path().join("named"));
    let addressed = storage(format!("file://{}/addressed", folder.path().display())).open(ring()).unwrap();
    let bucket = storage("memory:///prefix/of/mine".into()).open(ring()).unwrap();
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
    let (folder, places) = places();
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
            let name = &put.blob.name;
            assert!(!name.starts_with(&hex::encode(Sha256::digest(&content))), "{place}: a name says what is in it");
            let folder = folder.path().join(if *place == "path" { "named" } else { "addressed" });
            if *place != "bucket" {
                let file = fs::read(folder.join(name)).unwrap();
                assert!(name.starts_with(&hex::encode(Sha256::digest(&file))), "{place}: {name}");
            }
            assert_eq!(stored(blobs), std::slice::from_ref(name), "{place}");
            assert!(blobs.read(&put.blob).unwrap() == content, "{place}: another content");
            let mut slowly = Vec::new();
            let mut reader = blobs.reader(&put.blob).unwrap();
            let mut piece = vec![0; 70_001];
            while let Some(read) = Some(reader.read(&mut piece).unwrap()).filter(|read| *read > 0) {
                slowly.extend_from_slice(&piece[..read]);
            }
            assert!(slowly == content, "{place}: piece by piece");
            assert!(blobs.has(name).unwrap(), "{place}");
            blobs.remove(name).unwrap();
            blobs.remove(name).unwrap();
            let gone = blobs.read(&put.blob).unwrap_err();
            assert!(gone.kind() == std::io::ErrorKind::NotFound && !blobs.has(name).unwrap(), "{place}");
        }
        assert_eq!(blobs.clear_unfinished(Duration::ZERO).unwrap(), 0, "{place}: nothing half-written is left");
    }
}

/// Whoever removes a blob does not remove the equal one that somebody stored in the meantime.
#[test]
fn equal_contents_have_lives_of_their_own() {
    let (_folder, places) = places();
    for (place, blobs) in &places {
        let [one, other] = [(); 2].map(|()| blobs.put(b"the same").unwrap().blob);
        assert_ne!(one.name[..64], other.name[..64], "{place}: equal contents look equal");
        blobs.remove(&one.name).unwrap();
        assert_eq!(blobs.read(&other).unwrap(), b"the same", "{place}");
    }
}

#[test]
fn a_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch();
    let blobs = blobs_in(&folder.path().join("state/blobs"));
    let name = blobs.put(b"rows").unwrap().blob.name;
    let mode = |path: &str| fs::metadata(folder.path().join("state/blobs").join(path)).unwrap().permissions().mode();
    assert_eq!((mode("") & 0o777, mode("tmp") & 0o777, mode(&name) & 0o777), (0o700, 0o700, 0o600));
}

#[test]
fn damage_is_noticed() {
    let folder = scratch();
    let blobs = blobs_in(folder.path());
    let blob = blobs.put(&[7; 10_000]).unwrap().blob;
    let path = folder.path().join(&blob.name);
    let good = fs::read(&path).unwrap();
    for at in [0, 15, 16, 5000, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(blobs.read(&blob).unwrap_err().kind(), std::io::ErrorKind::InvalidData, "byte {at}");
    }
    for length in [0, 10, 16, 5000, good.len() - 1] {
        fs::write(&path, &good[..length]).unwrap();
        assert_eq!(blobs.read(&blob).unwrap_err().kind(), std::io::ErrorKind::InvalidData, "{length} bytes");
    }
}

/// Blobs of the first versions have a digest for a name and nothing else, and are not sealed.
#[test]
fn blobs_of_earlier_versions_are_read() {
    let folder = scratch();
    let blobs = blobs_in(folder.path());
    for old in [&b"old"[..], b"", &[7; 100_000]] {
        let blob = Blob::plain(hex::encode(Sha256::digest(old)));
        fs::write(folder.path().join(&blob.name), old).unwrap();
        assert_eq!(blobs.read(&blob).unwrap(), old);
        assert_eq!(stored(&blobs), std::slice::from_ref(&blob.name));
        fs::write(folder.path().join(&blob.name), b"odd").unwrap();
        assert_eq!(blobs.read(&blob).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
        blobs.remove(&blob.name).unwrap();
        blobs.read(&blob).unwrap_err();
    }
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
            assert!(blobs.reader(&Blob::plain(*name)).is_err() && blobs.remove(name).is_err(), "{name}");
        }
    }
    assert!(folder.path().join("secret").exists());
}

#[test]
fn opening_clears_what_the_dead_left_and_nothing_else() {
    let folder = scratch();
    let blobs = blobs_in(folder.path());
    let mut writer = blobs.create().unwrap();
    writer.write_all(b"at work").unwrap();
    // A file that no living process holds.
    fs::write(folder.path().join("tmp/left"), "half").unwrap();
    blobs_in(folder.path());
    assert_eq!(files(&folder.path().join("tmp")), 1);
    fs::write(folder.path().join("tmp/left"), "half").unwrap();
    assert_eq!(
        blobs.clear_unfinished(Duration::from_secs(3600)).unwrap(),
        1,
        "a lock says that it is dead, not its age"
    );
    assert_eq!(blobs.read(&writer.publish().unwrap().blob).unwrap(), b"at work");
}

/// The age of a blob counts from its publication, however long ago its last byte was written.
#[test]
fn a_blob_is_young_when_it_is_published() {
    let folder = scratch();
    let blobs = blobs_in(folder.path());
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
    let open = |url: &str| Storage { url: url.into(), quota_bytes: 0, min_free_bytes: 0 }.open(ring()).map(|_| ());
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
    Storage::folder(&odd).open(ring()).unwrap().put(b"x").unwrap();
    assert!(odd.is_dir(), "a path is the path that it says");
}

/// What does not fit is refused, at the start where its size is known and in the middle where it is not; nothing of
/// it stays, and what is removed makes room.
#[test]
fn a_quota_holds_wherever_blobs_are() {
    let folder = scratch();
    for url in [format!("file://{}/blobs", folder.path().display()), "memory:///".to_owned()] {
        let blobs = Storage { url: url.clone(), quota_bytes: 1 << 20, min_free_bytes: 0 }.open(ring()).unwrap();
        let first = blobs.put(&vec![1; 900_000]).unwrap().blob.name;
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
    let [one, other] = [(); 2].map(|()| storage.open(ring()).unwrap());
    one.put(&vec![1; 900_000]).unwrap();
    assert_eq!(other.put(&vec![2; 200_000]).unwrap_err().kind(), std::io::ErrorKind::QuotaExceeded);
}

#[test]
fn a_disk_is_not_filled_to_the_brim() {
    let folder = scratch();
    let storage = Storage { min_free_bytes: u64::MAX / 2, ..Storage::folder(&folder.path().join("blobs")) };
    let blobs = storage.open(ring()).unwrap();
    assert_eq!(blobs.create().map(|_| ()).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(blobs.put(b"x").unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(blobs.check_room().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(files(&folder.path().join("blobs/tmp")), 0);
    let bucket = Storage { url: "memory:///".into(), ..storage }.open(ring()).unwrap();
    bucket.put(b"x").expect("a bucket has no disk of ours");
}
