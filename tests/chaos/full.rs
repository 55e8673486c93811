//! The disk is full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::jobs::{PATIENCE, counted, faults, job, settled, submit, trained, witness, worker_with};
use crate::replay::replay;
use crate::support::{TestApi, figure};

/// A small file system over a folder. Unmounted with its handle.
struct Small(PathBuf);

impl Small {
    fn over(folder: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(folder.to_path_buf()))
    }

    /// A file that takes all that is free.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let list = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
        entries.map(|entry| entry.path().display().to_string()).collect()
    };
    let mut all = list(folder);
    all.extend(list(&folder.join("tmp")));
    all.sort();
    all
}

/// An upload is refused with 507 and leaves nothing; jobs that cannot write are tried again until there is space, and end
/// well, charged once.
#[tokio::test]
async fn a_full_disk_is_survived() {
    let (api, file) = (TestApi::open().await, witness("full"));
    let pool = &api.database.pool;
    let Some(small) = Small::over(&api.blobs()) else {
        println!("disk full: skipped, a tmpfs cannot be mounted here");
        return;
    };
    fs::create_dir(api.blobs().join("tmp")).expect("a folder");
    api.clinic(8.0, 300).await;

    let filler = small.fill();
    let before = names(&api.blobs());
    let mut csv = String::from("age,ward,ill\n");
    (0..50_000).for_each(|_| csv += "40,a,no\n");
    let answer = api.upload("clinic", csv).await;
    let mut refused = usize::from((answer.status.as_u16(), answer.code().as_str()) != (507, "storage_full"));
    refused += usize::from(names(&api.blobs()) != before);
    println!("disk full: the upload was answered {} {}", answer.status, answer.code());

    let mut ids = Vec::new();
    for request in [trained(0.1, 1), counted(0.1)] {
        ids.push(submit(&api, &request).await);
    }
    // The file system is smaller than what a worker leaves free elsewhere.
    let roomy = [("DP2STAGE__QUEUE__BACKOFF_SECONDS", "0.3"), ("DP2STAGE__STORAGE__MIN_FREE_BYTES", "0")];
    let worker = worker_with(&api, 5.0, &file, &roomy);
    let began = Instant::now();
    // Tried, in vain: who has no room hands the job back, and takes no other one before there is room.
    let tried = "select exists (select from job_attempts where outcome = 'handed_back')";
    while !sqlx::query_scalar::<_, bool>(tried).fetch_one(pool).await.expect("attempts") {
        assert!(began.elapsed() < PATIENCE, "not tried: {:?}", job(pool, ids[0]).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fs::remove_file(filler).expect("space");
    let lost = settled(pool, PATIENCE).await;
    worker.kill();
    let (mut wrong, unsound, told) = (0, faults(&api).await, replay(pool, &file).await);
    for &id in &ids {
        let (status, error, attempts) = job(pool, id).await;
        println!("disk full: {status} {error:?} after {attempts} attempts");
        wrong += usize::from(status != "succeeded");
    }
    wrong += unsound.len() + told.under_counted.len();
    let faults = [(refused, "uploads answered wrongly"), (lost, "lost"), (wrong, "ended wrongly")];
    figure("disk full", (3, "writes to a full disk"), &faults);
}
