//! What every refusal must be, and what must not be left of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use dp2stage::tabular::UploadLimits;

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
    let count = |folder| std::fs::read_dir(folder).expect("a folder").filter(is_file).count();
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

/// A table that does not fit is refused, in the middle where its size shows only then; nothing of it stays,
/// and what is deleted makes room.
#[tokio::test]
async fn a_full_storage_is_said_so() {
    let api = TestApi::with_room(true, UploadLimits::default(), 8 << 30, 150_000).await;
    let table = |rows: usize| -> String { format!("age,ward,ill\n{}", "20,a,no\n".repeat(rows)) };
    let big = table(500_000);
    api.clinic(1.0, 10).await;
    let before = files(&api);
    let refused = api.upload("clinic", big.clone()).await;
    let detail = problem(&refused, 507, "storage_full")["detail"].clone();
    assert!(detail.as_str().is_some_and(|detail| detail.contains("quota_bytes")), "{detail}");
    assert_eq!(files(&api), before, "nothing of it is left");
    api.upload("clinic", table(7000)).await.expect(201);
    let refused = api.upload("clinic", table(7000)).await;
    problem(&refused, 507, "storage_full");
    assert_eq!(files(&api), before + 1);
    api.send(api.request(reqwest::Method::DELETE, "/v1/datasets/clinic")).await.expect(204);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    api.clinic(1.0, 7000).await;
}
