//! What every refusal must be, and what must not be left of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Answer, TestApi};

/// The problem, when it has this status and code and every member that all problems have.
#[track_caller]
pub fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("urn:dp2stage:problem:{code}"));
    for member in ["title", "detail"] {
        assert!(body[member].as_str().is_some_and(|text| text.len() > 3), "{member}: {}", answer.text);
    }
    let id = answer.headers["x-request-id"].to_str().expect("plain");
    assert_eq!(body["request_id"], id);
    body
}

/// Files of blobs, finished or in the making.
pub fn files(api: &TestApi) -> usize {
    let count = |folder| std::fs::read_dir(folder).expect("a folder").filter(|e| is_file(e)).count();
    count(api.blobs()) + count(api.blobs().join("tmp"))
}

fn is_file(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|e| e.file_type().is_ok_and(|t| t.is_file()))
}

/// Asserts that no upload has left anything, at the latest after a moment.
pub async fn nothing_stored(api: &TestApi, after: &str) {
    let began = Instant::now();
    while files(api) > 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "{after}: a file is left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let versions = sqlx::query_scalar::<_, i64>("select count(*) from dataset_versions");
    assert_eq!(versions.fetch_one(&api.database.pool).await.expect("a count"), 0, "{after}: a version is stored");
}
