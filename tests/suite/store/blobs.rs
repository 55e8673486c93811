//! Blobs: whole or not there, and what their name says.

use std::fs;
use std::io::{Read, Write};

use dp2stage::store::Blobs;

use crate::support::scratch;

fn files(folder: &std::path::Path) -> usize {
    fs::read_dir(folder).unwrap().filter(|e| e.as_ref().unwrap().path().is_file()).count()
}

#[test]
fn a_blob_is_whole_or_not_there() {
    let folder = scratch();
    let blobs = Blobs::open(folder.path()).unwrap();
    let mut unfinished = blobs.create().unwrap();
    unfinished.write_all(b"half").unwrap();
    assert_eq!(files(folder.path()), 0);
    drop(unfinished);
    assert_eq!(files(&folder.path().join("tmp")), 0, "an unpublished blob leaves nothing");
    let stored = blobs.put(b"whole").unwrap();
    assert_eq!((stored.bytes, blobs.read(&stored.name).unwrap()), (5, b"whole".to_vec()));
    assert_eq!(blobs.put(b"whole").unwrap(), stored, "the same content has the same name");
    assert_eq!((files(folder.path()), files(&folder.path().join("tmp"))), (1, 0));
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

#[test]
fn names_lead_nowhere_else() {
    let folder = scratch();
    let blobs = Blobs::open(&folder.path().join("blobs")).unwrap();
    fs::write(folder.path().join("secret"), "x").unwrap();
    for name in ["../secret", "/etc/passwd", "", "tmp", &"a".repeat(63), &format!("{}/", "a".repeat(63))] {
        assert!(blobs.reader(name).is_err() && blobs.remove(name).is_err(), "{name}");
    }
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
    assert_eq!(blobs.read(&writer.publish().unwrap().name).unwrap(), b"at work");
}

/// Keys of measurements that a crash left behind go; those that a job names stay, and so does whatever is no key.
#[test]
fn forgotten_keys_are_swept_and_nothing_else() {
    use std::time::Duration;
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(folder.path()).unwrap();
    let key = |byte: u8| [&[b'K'][..], &32u64.to_le_bytes(), &[byte; 32]].concat();
    let [named, forgotten] = [1, 2].map(|byte| blobs.put(&key(byte)).unwrap().name);
    let others = [&b"rows"[..], &[7; 41], b""].map(|bytes| blobs.put(bytes).unwrap().name);
    assert_eq!(blobs.sweep_keys(std::slice::from_ref(&named), Duration::from_secs(3600)).unwrap(), 0);
    assert_eq!(blobs.sweep_keys(std::slice::from_ref(&named), Duration::ZERO).unwrap(), 1);
    assert!(blobs.read(&forgotten).is_err());
    for name in others.iter().chain([&named]) {
        blobs.read(name).unwrap();
    }
}
