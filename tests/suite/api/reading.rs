//! Reading jobs: pages, tags, results, cancelling.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::refusal::problem;
use crate::support::TestApi;

async fn job(api: &TestApi) -> String {
    let job = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    format!("/v1/jobs/{}", job["id"].as_str().unwrap())
}

async fn cancel(api: &TestApi, path: &str) -> crate::support::Answer {
    api.send(api.request(Method::POST, &format!("{path}/cancel"))).await
}

/// 120 jobs, written as one is: what a client would need 120 calibrations for.
async fn many_jobs(api: &TestApi) {
    api.clinic(100.0, 50).await;
    job(api).await;
    let copy = "insert into jobs (id, dataset_id, dataset_version, population_id, request, plan, epsilon, delta, price,
                                  blocks_allowed)
                select ('01a20fff-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, dataset_id, dataset_version,
                       population_id, request, plan, epsilon, delta, price, blocks_allowed
                from jobs, generate_series(1, 119) i";
    sqlx::query(copy).execute(&api.database.pool).await.expect("119 more");
}

#[tokio::test]
async fn pages_of_jobs_join_without_loss_or_repetition() {
    let api = TestApi::open().await;
    many_jobs(&api).await;
    for (limit, pages) in [(7, 18), (50, 3), (60, 2), (120, 1), (200, 1)] {
        let (mut ids, mut count, mut cursor) = (Vec::<String>::new(), 0, String::new());
        loop {
            let page =
                api.get(&format!("/v1/jobs?limit={limit}{cursor}&status=queued&dataset=clinic")).await.expect(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit);
            ids.extend(items.iter().map(|j| j["id"].as_str().unwrap().to_owned()));
            count += 1;
            // What is added meanwhile is newer, and stands on no later page.
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((ids.len(), count), (120, pages));
        assert!(ids.is_sorted_by(|a, b| a > b), "newest first, none twice");
    }
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"].as_array().unwrap().len(), 50);
    assert_eq!(api.get("/v1/jobs?status=running").await.expect(200)["items"], json!([]));
    let began = Instant::now();
    api.get("/v1/jobs?limit=200").await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_unchanged_job_is_not_sent_again() {
    let api = TestApi::open().await;
    api.clinic(2.0, 50).await;
    let path = job(&api).await;
    let first = api.get(&path).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let given = async |tag: &str| api.send(api.request(Method::GET, &path).header("if-none-match", tag)).await;
    for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
        let answer = given(&known).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{known}");
        assert_eq!(answer.headers["etag"], tag.as_str());
    }
    given("\"x\"").await.expect(200);
    cancel(&api, &path).await.expect(202);
    let changed = given(&tag).await;
    assert_ne!(changed.headers["etag"], tag.as_str());
    assert_eq!(changed.expect(200)["status"], "cancelled");
}

#[tokio::test]
async fn a_wait_ends_with_its_time() {
    let api = TestApi::open().await;
    api.clinic(2.0, 50).await;
    let path = job(&api).await;
    let began = Instant::now();
    assert_eq!(api.get(&format!("{path}?wait=1")).await.expect(200)["status"], "queued");
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn there_are_no_results_before_success_and_a_cancel_is_final() {
    let api = TestApi::open().await;
    api.clinic(0.5, 50).await;
    let path = job(&api).await;
    for state in ["queued", "cancelled"] {
        for what in ["synthetic", "synthetic?rows=3", "report"] {
            let body = problem(&api.get(&format!("{path}/{what}")).await, 409, "state_conflict");
            assert_eq!(body["job_status"], state);
        }
        assert_eq!(cancel(&api, &path).await.expect(202)["status"], "cancelled");
    }
    let done = api.get(&path).await.expect(200);
    assert_eq!((done["epsilon"]["reserved"].as_f64(), done["epsilon"]["charged"].as_f64()), (Some(0.0), Some(0.0)));
    assert!(done["finished_at"].is_string() && done["queue_position"].is_null());
    // Its budget is free again, once.
    job(&api).await;
    let again = json!({"dataset": "clinic", "epsilon": 0.95});
    problem(&api.post("/v1/jobs", &again).await, 409, "budget_exhausted");

    for state in ["succeeded", "failed"] {
        let path = path_in_state(&api, state).await;
        let body = problem(&cancel(&api, &path).await, 409, "state_conflict");
        assert!(body["detail"].as_str().unwrap().contains(state), "{body}");
    }
}

/// The path of a job that is made to be in a final state.
async fn path_in_state(api: &TestApi, state: &str) -> String {
    api.post("/v1/datasets/clinic/budget", &json!({"epsilon": 9.0})).await.expect(200);
    let path = job(api).await;
    let error = (state == "failed").then_some("worker_lost");
    let id: uuid::Uuid = path.rsplit('/').next().unwrap().parse().unwrap();
    let run = "update jobs set status = 'running', lease_expires_at = now(), charged_at = now() where id = $1";
    sqlx::query(run).bind(id).execute(&api.database.pool).await.expect("running");
    let end = "update jobs set status = $2, error = $3, finished_at = now(), lease_expires_at = null where id = $1";
    sqlx::query(end).bind(id).bind(state).bind(error).execute(&api.database.pool).await.expect("ended");
    path
}
