//! What is sealed opens with its own key, under its own name, for its own dataset, and goes with its row.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

use base64::Engine as _;
use dp2stage::store::{self, Artifact, ArtifactKind, Blob, Blobs, Dataset, KeySource, Keyring, StoreError, Version};
use proptest::prelude::*;
use sqlx::PgPool;
use uuid::Uuid;

use super::budgets::{measured, submit, table};
use super::openings::claim;
use crate::support::{TestDatabase, blob_named, blobs_in, fresh_database, ring, scratch};

/// The file of a blob.
fn file(folder: &Path, blob: &Blob) -> std::path::PathBuf {
    folder.join(&blob.name)
}

/// A name under which these bytes would pass for what was stored.
fn renamed(bytes: &[u8], blob: &Blob) -> Blob {
    use sha2::Digest;
    let number = blob.name.split_once('-').unwrap().1;
    Blob { name: format!("{}-{number}", hex::encode(sha2::Sha256::digest(bytes))), ..blob.clone() }
}

/// Bytes of content in a chunk, of its tag, and of what comes before the first chunk (SECURITY.md).
const CHUNK: usize = 1 << 16;
const TAG: usize = 16;
const HEAD: usize = 16;

/// What a reader hands out before it refuses, or everything.
fn handed_out(blobs: &Blobs, blob: &Blob) -> (Vec<u8>, bool) {
    let (mut reader, mut out, mut piece) = (blobs.reader(blob).unwrap(), Vec::new(), [0; 1000]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (out, true),
            Ok(read) => out.extend_from_slice(&piece[..read]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData);
                return (out, false);
            }
        }
    }
}

/// Chunks that are whole, in another order or without the rest: what is read as it comes is never more than what was
/// stored up to there. The digest of the whole would be known at the end alone.
#[test]
fn no_chunk_is_opened_in_the_place_of_another() {
    let folder = scratch();
    let blobs = blobs_in(folder.path()).of(Uuid::from_u128(1));
    let content: Vec<u8> = (0..3 * CHUNK + 5000).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let blob = blobs.put(&content).unwrap().blob;
    let (at, bytes) = (file(folder.path(), &blob), fs::read(file(folder.path(), &blob)).unwrap());
    let (head, chunks) = bytes.split_at(HEAD);
    let chunks: Vec<&[u8]> = chunks.chunks(CHUNK + TAG).collect();
    assert_eq!((chunks.len(), handed_out(&blobs, &blob)), (4, (content.clone(), true)));
    let orders: [&[usize]; 9] = [
        &[1, 0, 2, 3],
        &[0, 2, 1, 3],
        &[0, 0, 1, 2, 3],
        &[0, 1, 3],
        &[1, 2, 3],
        &[0, 1, 2],
        &[0],
        &[3],
        &[0, 1, 2, 3, 3],
    ];
    for order in orders {
        let moved: Vec<u8> = order.iter().flat_map(|&i| chunks[i]).copied().collect();
        fs::write(&at, [head, &moved].concat()).unwrap();
        let (out, whole) = handed_out(&blobs, &blob);
        // The last chunk of what is there is opened as the last, which only the last of the blob is.
        let fits = |&(place, &chunk): &(usize, &usize)| place == chunk && (place + 1 == order.len()) == (chunk == 3);
        let same = order.iter().enumerate().take_while(fits).count();
        assert!(!whole, "{order:?}");
        assert_eq!((out.len(), content.starts_with(&out)), (same * CHUNK, true), "{order:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whoever writes to the storage, and names of blobs in the database too, gets nothing read that was not stored.
    #[test]
    fn what_was_tampered_with_is_refused(length in 0..200_000usize, at in any::<prop::sample::Index>(), cut in any::<bool>()) {
        let folder = scratch();
        let blobs = blobs_in(folder.path()).of(Uuid::from_u128(1));
        let content: Vec<u8> = (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let [one, other] = [(); 2].map(|()| blobs.put(&content).unwrap().blob);
        prop_assert!(blobs.read(&one).unwrap() == content);
        // Its bytes, changed or cut short, in its place and under a name that has their digest.
        let mut bytes = fs::read(file(folder.path(), &one)).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 4 }
        let moved = renamed(&bytes, &one);
        fs::write(file(folder.path(), &one), &bytes).unwrap();
        fs::write(file(folder.path(), &moved), &bytes).unwrap();
        prop_assert_eq!(blobs.read(&one).unwrap_err().kind(), ErrorKind::InvalidData);
        prop_assert_eq!(blobs.read(&moved).unwrap_err().kind(), ErrorKind::InvalidData);
        // Another blob in its place, and its key with the other's name.
        fs::copy(file(folder.path(), &other), file(folder.path(), &one)).unwrap();
        prop_assert_eq!(blobs.read(&one).unwrap_err().kind(), ErrorKind::InvalidData);
        let crossed = Blob { key: one.key.clone(), ..other.clone() };
        prop_assert_eq!(blobs.read(&crossed).unwrap_err().kind(), ErrorKind::InvalidData);
        // For another dataset, under another storage key, without a key.
        let theirs = Blob { owner: Uuid::from_u128(2), ..other.clone() };
        prop_assert_eq!(blobs.read(&theirs).unwrap_err().kind(), ErrorKind::InvalidData);
        let keyless = Blob { key: None, ..other.clone() };
        prop_assert_eq!(blobs.read(&keyless).unwrap_err().kind(), ErrorKind::InvalidData);
        let stranger = Blobs::open(folder.path(), Keyring::of_or_new(&file_of(folder.path())).unwrap()).unwrap();
        prop_assert_eq!(stranger.read(&other).unwrap_err().kind(), ErrorKind::Other);
        prop_assert!(blobs.read(&other).unwrap() == content);
    }
}

fn file_of(folder: &Path) -> KeySource {
    KeySource::File(folder.join("keys/storage"))
}

fn text(keys: &[u8]) -> KeySource {
    let keys: Vec<_> = keys.iter().map(|key| base64::engine::general_purpose::STANDARD.encode([*key; 32])).collect();
    KeySource::Text(keys.join(", ").into())
}

/// A database with a dataset, and its storage.
async fn installation(folder: &Path) -> (TestDatabase, Keyring, Blobs, Dataset) {
    let database = fresh_database().await;
    let keys = store::keyring(&database.pool, &file_of(folder), true).await.unwrap();
    let dataset = table(&database.pool, 1.0).await;
    let blobs = Blobs::open(&folder.join("blobs"), keys.clone()).unwrap().of(dataset.id);
    (database, keys, blobs, dataset)
}

async fn upload(pool: &PgPool, dataset: &Dataset, blob: Blob) -> i32 {
    let created_at = time::OffsetDateTime::UNIX_EPOCH;
    let version = Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob, created_at };
    store::add_version(pool, dataset.id, &version).await.unwrap().version
}

async fn kept(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select blob from blob_keys order by blob").fetch_all(pool).await.unwrap()
}

fn sorted<const N: usize>(blobs: [&Blob; N]) -> Vec<String> {
    let mut names = blobs.map(|blob| blob.name.clone()).to_vec();
    names.sort();
    names
}

/// The key of a blob comes with the row that names it and goes with it, whoever takes the row away.
#[tokio::test]
async fn keys_live_as_long_as_what_names_them() {
    let folder = scratch();
    let (database, _, blobs, dataset) = installation(folder.path()).await;
    let pool = &database.pool;
    let put = |bytes: &[u8]| blobs.put(bytes).unwrap().blob;
    let [rows, first, second, report, table] = [&b"rows"[..], b"1", b"2", b"report", b"table"].map(put);
    assert!(kept(pool).await.is_empty(), "nothing is kept before it is named");
    let version = upload(pool, &dataset, rows.clone()).await;
    let read = store::version_blob(pool, dataset.id, version).await.unwrap();
    assert!(read == rows && blobs.read(&read).unwrap() == b"rows");
    let latest = store::latest_version(pool, dataset.id).await.unwrap();
    assert!(latest.is_some());

    let job = submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap().job_id;
    let lease = claim(pool).await;
    store::set_checkpoint(pool, lease, &first).await.unwrap();
    store::set_checkpoint(pool, lease, &first).await.expect("an answer may be lost");
    assert_eq!(kept(pool).await, sorted([&rows, &first]));
    store::set_checkpoint(pool, lease, &second).await.unwrap();
    assert_eq!(kept(pool).await, sorted([&rows, &second]), "the key of a checkpoint goes when another takes its place");
    // A worker that lost its lease keeps no key.
    let stale = store::Lease { epoch: lease.epoch - 1, ..lease };
    assert!(matches!(store::set_checkpoint(pool, stale, &first).await, Err(StoreError::LeaseLost)));
    assert_eq!(kept(pool).await, sorted([&rows, &second]));

    store::claim_opening(pool, lease).await.unwrap();
    let artifact = |kind, blob: &Blob| Artifact { kind, blob: blob.clone(), bytes: 1 };
    let all = [artifact(ArtifactKind::Report, &report), artifact(ArtifactKind::Synthetic, &table)];
    store::finish(pool, lease, &all).await.unwrap();
    assert_eq!(kept(pool).await, sorted([&rows, &report, &table]), "a finished job has no checkpoint");
    for (kind, blob, content) in
        [(ArtifactKind::Report, &report, &b"report"[..]), (ArtifactKind::Synthetic, &table, b"table")]
    {
        let found = store::artifact(pool, job, kind).await.unwrap().blob;
        assert!(found == *blob && blobs.read(&found).unwrap() == content, "{kind:?}");
    }
    store::delete_dataset(pool, dataset.id).await.unwrap();
    assert_eq!(kept(pool).await, sorted([&table]), "what was released stays, and nothing else");
    for gone in [&rows, &report] {
        let left = blob_named(pool, &gone.name).await;
        assert!(blobs.has(&gone.name).unwrap(), "the caller has not removed it yet");
        assert_eq!(blobs.read(&left).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

/// Rotation wraps keys anew and touches no blob; what had been deleted before cannot be opened with an old copy of the
/// database once the old storage key is dropped.
#[tokio::test]
async fn the_storage_key_is_rotated_and_dropped() {
    let folder = scratch();
    let (database, keys, blobs, dataset) = installation(folder.path()).await;
    let pool = &database.pool;
    let mut all = Vec::new();
    for i in 0..1203u32 {
        let blob = blobs.put(&i.to_le_bytes()).unwrap().blob;
        upload(pool, &dataset, blob.clone()).await;
        all.push(blob);
    }
    let before: Vec<_> =
        all.iter().map(|blob| fs::read(folder.path().join("blobs").join(&blob.name)).unwrap()).collect();
    let running = Keyring::of(&file_of(folder.path())).unwrap();
    let other_process = Blobs::open(&folder.path().join("blobs"), running.clone()).unwrap().of(dataset.id);
    assert_eq!(store::rewrap(pool, &keys).await.unwrap(), 0, "there is nothing to do");
    let name = store::add_storage_key(pool, &keys).await.unwrap();
    assert_eq!(store::rewrap(pool, &keys).await.unwrap(), 1203);
    assert_eq!((keys.names().len(), &keys.names()[0]), (2, &name));
    for (i, blob) in all.iter().enumerate() {
        let now = blob_named(pool, &blob.name).await;
        assert_eq!(now.key.as_ref().unwrap().storage_key, name);
        assert_eq!(
            other_process.read(&now).unwrap(),
            (i as u32).to_le_bytes(),
            "a server that runs reads the file again"
        );
        assert!(fs::read(folder.path().join("blobs").join(&blob.name)).unwrap() == before[i], "a blob was touched");
        assert!(blobs.read(blob).is_ok(), "the old key still opens what it wrapped");
    }
    let new = other_process.put(b"new").unwrap().blob;
    assert_eq!(new.key.as_ref().unwrap().storage_key, name, "and wraps with the new key");

    // A job that began before may hold results that are wrapped under the old key.
    submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap();
    let lease = claim(pool).await;
    let aged = "update jobs set started_at = now() - interval '1 hour'";
    sqlx::query(aged).execute(pool).await.unwrap();
    let refused = store::drop_storage_keys(pool, &keys).await.unwrap_err();
    assert!(refused.to_string().contains("1 jobs run"), "{refused}");
    store::fail(pool, lease, "worker_error").await.unwrap();
    let dropped = store::drop_storage_keys(pool, &keys).await.unwrap();
    assert_eq!((dropped.len(), keys.names()), (1, vec![name.clone()]));
    assert_eq!(blobs.read(&all[7]).unwrap_err().kind(), ErrorKind::Other, "an old copy of the row is of no use");
    assert_eq!(blobs.read(&blob_named(pool, &all[7].name).await).unwrap(), 7u32.to_le_bytes());
    // What was wrapped under a dropped key in the last moment is refused, rather than lost later.
    let late = Blob { name: "late".into(), ..all[7].clone() };
    let version = Version { blob: late, ..store_version() };
    let refused = store::add_version(pool, dataset.id, &version).await.unwrap_err();
    assert!(format!("{refused:?}").contains("blob_keys_storage_key_fk"), "{refused:?}");
}

fn store_version() -> Version {
    let created_at = time::OffsetDateTime::UNIX_EPOCH;
    Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob: Blob::plain("x"), created_at }
}

/// Without the keys that an installation has nothing starts, and none is made in their place.
#[tokio::test]
async fn a_key_that_is_lost_is_missed_at_once() {
    let folder = scratch();
    let (database, keys, blobs, dataset) = installation(folder.path()).await;
    let pool = &database.pool;
    let path = folder.path().join("keys/storage");
    let name = keys.names()[0].clone();
    // Another server that has a key of its own, or none.
    let elsewhere = scratch();
    for may_make in [true, false] {
        let refused = store::keyring(pool, &file_of(elsewhere.path()), may_make).await.unwrap_err();
        assert!(refused.to_string().contains("keys/storage") && !elsewhere.path().join("keys").exists(), "{refused}");
    }
    let refused = store::keyring(pool, &text(&[9]), true).await.unwrap_err();
    assert!(refused.to_string().contains(&name), "{refused}");
    upload(pool, &dataset, blobs.put(b"rows").unwrap().blob).await;
    // Two keys in the settings, of which blobs are sealed under the second.
    let old = fs::read_to_string(&path).unwrap();
    let written = old.lines().find(|line| !line.starts_with('#')).unwrap();
    let new = base64::engine::general_purpose::STANDARD.encode([9; 32]);
    let both = KeySource::Text(format!("{new},{written}").into());
    let two = store::keyring(pool, &both, false).await.unwrap();
    assert_eq!(store::rewrap(pool, &two).await.unwrap(), 1);
    assert!(matches!(store::add_storage_key(pool, &two).await, Err(StoreError::Keys(_))), "there is no file");
    let refused = store::keyring(pool, &file_of(folder.path()), true).await.unwrap_err();
    assert!(refused.to_string().contains(&two.names()[0]), "{refused}");
    assert!(!refused.to_string().contains(&new) && !format!("{two:?}").contains(&new), "keys are not printed");

    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(Keyring::of(&file_of(folder.path())).unwrap_err().to_string().contains("chmod 600"));
    for bad in ["", "# nothing", "junk", &written[..40], &format!("{written}{written}"), "AAAA"] {
        assert!(Keyring::of(&KeySource::Text(bad.to_owned().into())).is_err(), "{bad}");
    }
    assert_ne!(ring().names(), keys.names());
}
