//! The sweeper: what nothing names goes, and nothing else, whatever happens meanwhile.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use dp2stage::store::{self, Blob, Blobs, Dataset, Swept, Version};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tempfile::TempDir;
use uuid::Uuid;

use super::budgets::{measured, submit, table};
use super::openings::claim;
use crate::support::{blobs_in, fresh_database, scratch};

const HOUR: Duration = Duration::from_secs(3600);

/// A blob that was published so many hours ago.
fn aged(folder: &TempDir, blobs: &Blobs, bytes: &[u8], hours: u32) -> String {
    let name = blobs.put(bytes).unwrap().blob.name;
    age(folder, &name, hours);
    name
}

/// The same, as programs wrote it that did not seal.
fn aged_plain(folder: &TempDir, bytes: &[u8], hours: u32) -> String {
    let name = hex::encode(Sha256::digest(bytes));
    fs::write(folder.path().join(&name), bytes).unwrap();
    age(folder, &name, hours);
    name
}

fn age(folder: &TempDir, name: &str, hours: u32) {
    let then = SystemTime::now() - hours * HOUR - Duration::from_secs(60);
    File::options().append(true).open(folder.path().join(name)).unwrap().set_modified(then).unwrap();
}

async fn upload(pool: &PgPool, dataset: &Dataset, blob: &str) {
    let created_at = time::OffsetDateTime::UNIX_EPOCH;
    let version = Version { version: 0, rows: 1, bytes: 1, sha256: "00".into(), blob: Blob::plain(blob), created_at };
    store::add_version(pool, dataset.id, &version).await.unwrap();
}

/// A key of a measurement as a checkpoint keeps it.
fn key(byte: u8) -> Vec<u8> {
    [&[b'K'][..], &32u64.to_le_bytes(), &[byte; 32]].concat()
}

/// Says of each blob whether it is still there.
fn there<const N: usize>(blobs: &Blobs, names: [&String; N]) -> [bool; N] {
    names.map(|name| blobs.has(name).unwrap())
}

#[tokio::test]
async fn what_nothing_names_is_swept_and_nothing_else() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let dataset = table(pool, 1.0).await;
    let [rows, result, checkpoint, orphan] = [1u8, 2, 3, 4].map(|byte| aged(&folder, &blobs, &[byte; 9], 2));
    let young = blobs.put(b"an upload on its way").unwrap().blob.name;
    fs::write(folder.path().join("README"), "not ours").unwrap();
    fs::write(folder.path().join("tmp/left"), "half").unwrap();
    upload(pool, &dataset, &rows).await;
    for (kept, sql) in [
        (&result, "insert into artifacts (job_id, kind, blob, bytes) values ($1, 'report', $2, 9)"),
        (&checkpoint, "update jobs set checkpoint = $2 where id = $1"),
    ] {
        let job = submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap().job_id;
        sqlx::query(sql).bind(job).bind(kept).execute(pool).await.unwrap();
    }
    let swept = store::sweep_orphans(pool, &blobs, HOUR).await.unwrap();
    assert_eq!(swept, Swept { blobs: 1, unfinished: 1 });
    let kept = [&rows, &result, &checkpoint, &young, &orphan];
    assert_eq!(there(&blobs, kept), [true, true, true, true, false]);
    assert!(folder.path().join("README").exists(), "what is no blob is not ours to remove");
    assert_eq!(store::sweep_orphans(pool, &blobs, HOUR).await.unwrap(), Swept::default());
}

/// Many blobs are looked up lot by lot.
#[tokio::test]
async fn thousands_are_swept() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let dataset = table(pool, 1.0).await;
    let name = |i: u128| format!("{}-{}", "0".repeat(64), Uuid::from_u128(i).simple());
    for i in 0..2500 {
        fs::write(folder.path().join(name(i)), "x").unwrap();
    }
    upload(pool, &dataset, &name(1234)).await;
    assert_eq!(store::sweep_orphans(pool, &blobs, Duration::ZERO).await.unwrap().blobs, 2499);
    assert!(folder.path().join(name(1234)).exists());
}

/// What a running job has made waits for the job's last transaction, however long its report takes. A key that is not
/// sealed does not: it is named at once or never. A sealed one that nothing names is a key no more, and waits like others.
#[tokio::test]
async fn what_a_running_job_made_is_left_until_it_ends() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let dataset = table(pool, 1.0).await;
    let job = submit(pool, &dataset, measured(1.0, 0.1)).await.unwrap().job_id;
    let lease = claim(pool).await;
    sqlx::query("update jobs set started_at = now() - interval '5 hours' where id = $1")
        .bind(job)
        .execute(pool)
        .await
        .unwrap();
    let made = aged(&folder, &blobs, b"rows of the job", 2);
    let before = aged(&folder, &blobs, b"older than the job", 9);
    let forgotten = aged_plain(&folder, &key(1), 2);
    let sealed = aged(&folder, &blobs, &key(1), 2);
    let named = aged(&folder, &blobs, &key(2), 2);
    store::set_checkpoint(pool, lease, &Blob::plain(&named)).await.unwrap();
    assert_eq!(store::sweep_orphans(pool, &blobs, HOUR).await.unwrap().blobs, 2);
    assert_eq!(there(&blobs, [&made, &before, &forgotten, &sealed, &named]), [true, false, false, true, true]);
    store::fail(pool, lease, "worker_error").await.unwrap();
    assert_eq!(store::sweep_orphans(pool, &blobs, HOUR).await.unwrap().blobs, 3);
    assert_eq!(there(&blobs, [&made, &before, &forgotten, &sealed, &named]), [false; 5]);
}

/// The same content is uploaded again between the sweeper's look and its hand: the new upload keeps its blob.
#[tokio::test]
async fn an_upload_of_swept_content_keeps_its_blob() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (&database.pool, blobs_in(folder.path()));
    let dataset = table(pool, 1.0).await;
    let orphan = aged(&folder, &blobs, b"the same rows", 2);
    let seen = blobs.older_than(HOUR).unwrap();
    assert_eq!(seen.iter().map(|seen| &seen.name).collect::<Vec<_>>(), [&orphan]);

    let again = blobs.put(b"the same rows").unwrap().blob.name;
    upload(pool, &dataset, &again).await;
    blobs.remove_all(seen.iter().map(|seen| seen.name.as_str())).unwrap();
    assert_eq!(there(&blobs, [&orphan, &again]), [false, true]);

    // A deletion takes what its own dataset named, not what another one has the same content of.
    let other = table(pool, 1.0).await;
    let theirs = blobs.put(b"the same rows").unwrap().blob.name;
    upload(pool, &other, &theirs).await;
    let unnamed = store::delete_dataset(pool, dataset.id).await.unwrap();
    assert!(unnamed.contains(&again) && !unnamed.contains(&theirs));
}

/// Uploads and sweeps at the same time, all of the same content: no upload loses its blob.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_survive_sweeps_at_the_same_time() {
    let (database, folder) = (fresh_database().await, scratch());
    let (pool, blobs) = (database.pool.clone(), blobs_in(folder.path()));
    let dataset = table(&pool, 1.0).await;
    let age = Duration::from_secs(2);
    let (ours, storage) = (pool.clone(), blobs.clone());
    let sweeps = tokio::spawn(async move {
        let mut swept = 0;
        for _ in 0..200 {
            swept += store::sweep_orphans(&ours, &storage, age).await.unwrap().blobs;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        swept
    });
    let mut named = Vec::new();
    while !sweeps.is_finished() {
        // Each time an old orphan and an upload, both of the same content.
        aged(&folder, &blobs, b"the same rows", 1);
        let name = blobs.put(b"the same rows").unwrap().blob.name;
        upload(&pool, &dataset, &name).await;
        named.push(name);
    }
    let swept = sweeps.await.unwrap();
    assert!(swept > 10 && named.len() > 10, "{swept} swept, {} uploads", named.len());
    for name in &named {
        assert!(blobs.has(name).unwrap(), "{name}");
    }
}
