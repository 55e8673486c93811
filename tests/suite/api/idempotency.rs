//! Submissions that are repeated, at once and later.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi, clinic, repeats};

/// A public table, on which a job costs nothing: it is the keys that are looked at.
async fn public(api: &TestApi) {
    let body = json!({"name": "open", "schema": clinic(), "rows_public": 300, "access": "public"});
    api.post("/v1/datasets", &body).await.expect(201);
    api.upload("open", "age,ward,ill\n20,a,no\n").await.expect(201);
}

fn job(rows: usize) -> Value {
    json!({"dataset": "open", "epsilon": 1.0, "rows": rows, "method": {"stage1": "non_private", "stage2": "none"}})
}

async fn submit(api: &TestApi, key: &str, body: &Value) -> Answer {
    api.send(api.request(Method::POST, "/v1/jobs").header("idempotency-key", key).json(body)).await
}

/// R8: as many jobs as keys, whoever comes first; another body is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_are_a_thousand_jobs() {
    const CLIENTS: usize = 20;
    let api = TestApi::open().await;
    public(&api).await;
    let keys = repeats(100, 1000);
    for group in (0..keys).collect::<Vec<_>>().chunks(4) {
        let all = group.iter().flat_map(|key| (0..CLIENTS).map(move |_| *key));
        let answers = join_all(all.map(async |key| {
            let answer = submit(&api, &format!("key-{key}"), &job(100 + key)).await;
            assert_eq!(answer.headers["location"].to_str().ok().map(str::len), Some("/v1/jobs/".len() + 36));
            (key, answer.expect(202))
        }))
        .await;
        for of_key in answers.chunks(CLIENTS) {
            let (key, first) = &of_key[0];
            assert_eq!(first["request"]["rows"].as_u64(), Some(100 + *key as u64));
            assert!(of_key.iter().all(|(_, job)| job["id"] == first["id"]), "{key}");
        }
        for of_key in answers.chunks(CLIENTS) {
            // The queue has an end.
            let id = of_key[0].1["id"].as_str().expect("an id").parse().expect("an id");
            dp2stage::store::cancel(&api.database.pool, id).await.expect("cancelled");
        }
        for key in group {
            let other = submit(&api, &format!("key-{key}"), &job(99)).await;
            problem(&other, 422, "idempotency_mismatch");
        }
    }
    let counts = "select (select count(*) from jobs), (select count(distinct job_id) from idempotency_keys)";
    let counts: (i64, i64) = sqlx::query_as(counts).fetch_one(&api.database.pool).await.expect("counts");
    assert_eq!(counts, (keys as i64, keys as i64));
}

/// A repetition is answered with the job whatever has changed since, until its key is forgotten.
#[tokio::test]
async fn a_key_is_remembered_for_a_month() {
    let api = TestApi::open().await;
    public(&api).await;
    let pool = &api.database.pool;
    let first = submit(&api, "k", &job(7)).await.expect(202)["id"].clone();
    let old = submit(&api, "old", &job(8)).await.expect(202)["id"].clone();
    for job in [&first, &old] {
        let path = format!("/v1/jobs/{}/cancel", job.as_str().expect("an id"));
        api.send(api.request(Method::POST, &path)).await.expect(202);
    }
    assert_eq!(api.send(api.request(Method::DELETE, "/v1/datasets/open")).await.status, 204);
    assert_eq!(submit(&api, "k", &job(7)).await.expect(202)["id"], first, "its dataset is gone, and the job is not");
    problem(&submit(&api, "k", &job(9)).await, 422, "idempotency_mismatch");
    let age = "update idempotency_keys set created_at = now() - case key when 'k' then interval '29 days'
               else interval '31 days' end";
    sqlx::query(age).execute(pool).await.expect("aged");
    let month = Duration::from_secs(30 * 24 * 3600);
    assert_eq!(dp2stage::store::forget_submissions(pool, month).await.expect("forgotten"), 1);
    assert_eq!(submit(&api, "k", &job(7)).await.expect(202)["id"], first);
    problem(&submit(&api, "old", &job(8)).await, 404, "not_found");
}
