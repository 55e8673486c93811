//! More rows of a finished job: conditions, proportions, rows to be completed, and what is refused.

use std::time::Duration;

use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi};

const PATIENCE: Duration = Duration::from_secs(120);

async fn finished(api: &TestApi, method: Value) -> String {
    finished_with(api, method, json!({"steps": 20, "batch": 100})).await
}

async fn finished_with(api: &TestApi, method: Value, training: Value) -> String {
    let body = json!({"dataset": "clinic", "epsilon": 2.0, "rows": 100, "method": method, "training": training});
    let job = api.post("/v1/jobs", &body).await.expect(202);
    let id = job["id"].as_str().unwrap().to_owned();
    let done = api.job_until(&id, PATIENCE, |job| job["status"] != "queued" && job["status"] != "running").await;
    assert_eq!(done["status"], "succeeded", "{done}");
    id
}

async fn samples(api: &TestApi, id: &str, body: Value) -> Answer {
    api.post(&format!("/v1/jobs/{id}/samples"), &body).await
}

/// Cells of a CSV without quotes, and its header.
fn rows(answer: &Answer) -> Vec<Vec<String>> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut lines = answer.text.lines();
    assert_eq!(lines.next(), Some("age,ward,ill"));
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn a_finished_job_writes_more_rows_on_conditions() {
    let api = TestApi::open().await;
    api.clinic(9.0, 400).await;
    let _worker = api.worker(30.0);
    for method in ["full", "lora", "heads", "adapter"].map(|stage2| json!({"stage1": "uniform", "stage2": stage2})) {
        let id = finished(&api, method).await;
        let free = samples(&api, &id, json!({"rows": 70, "temperature": 0.8, "top_p": 0.95})).await;
        assert_eq!(free.headers["content-type"], "text/csv; charset=utf-8");
        assert_eq!(rows(&free).len(), 70);

        let ill = samples(&api, &id, json!({"rows": 50, "conditions": {"ill": "yes", "age": 44}})).await;
        assert!(rows(&ill).iter().all(|row| row[2] == "yes" && row[0] == "44"), "{}", ill.text);

        let even = json!({"rows": 90, "proportions": {"ward": {"a": 2, "c": 1}}, "conditions": {"ill": "no"}});
        let even = rows(&samples(&api, &id, even).await);
        let of = |ward: &str| even.iter().filter(|row| row[1] == ward).count();
        assert_eq!((of("a"), of("b"), of("c")), (60, 0, 30));
        assert!(even.iter().all(|row| row[2] == "no"));

        let given = json!({"given": [{"age": 20}, {"ward": "b", "ill": null}, {}], "format": "jsonl"});
        let answer = samples(&api, &id, given).await;
        assert_eq!(answer.headers["content-type"], "application/jsonl");
        let lines: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[0]["age"], &lines[1]["ward"]), (&json!(20), &json!("b")));
        assert!(lines.iter().all(|row| row["ill"] == "yes" || row["ill"] == "no"));
    }
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    let charged = budget["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "charge").count();
    assert_eq!(charged, 4, "samples cost nothing");
}

/// A job that measured: its model writes bins, of which rows are made; what is given comes back as it was given.
#[tokio::test]
async fn a_measured_job_writes_more_rows_on_conditions() {
    let api = TestApi::open().await;
    api.clinic(9.0, 400).await;
    let _worker = api.worker(30.0);
    for (method, training) in [
        (json!({}), json!({"public_steps": 200})),
        (json!({"generator": "lm", "stage2": "full"}), json!({"public_steps": 200, "steps": 20, "batch": 100})),
    ] {
        let id = finished_with(&api, method, training).await;
        let free = rows(&samples(&api, &id, json!({"rows": 150})).await);
        assert_eq!(free.len(), 150);
        assert!(free.iter().all(|row| (18..=99).contains(&row[0].parse::<i32>().unwrap())), "{free:?}");
        let ill = samples(&api, &id, json!({"rows": 50, "conditions": {"ill": "yes", "age": 44}})).await;
        assert!(rows(&ill).iter().all(|row| row[2] == "yes" && row[0] == "44"), "{}", ill.text);
        let even = json!({"rows": 60, "proportions": {"ward": {"a": 2, "c": 1}}});
        let even = rows(&samples(&api, &id, even).await);
        assert_eq!(even.iter().filter(|row| row[1] == "a").count(), 40);
        let given = json!({"given": [{"age": 20}, {"ward": "b", "ill": null}, {}], "format": "jsonl"});
        let answer = samples(&api, &id, given).await;
        let lines: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["age"], &lines[1]["ward"], lines.len()), (&json!(20), &json!("b"), 3));
        // In the table whoever is in ward b is ill: the model or the tables know.
        let b = rows(&samples(&api, &id, json!({"rows": 200, "conditions": {"ward": "b"}})).await);
        let ill = b.iter().filter(|row| row[2] == "yes").count();
        assert!(ill > 120, "{ill} of 200 are ill in ward b");
    }
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    let charged = budget["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "charge").count();
    assert_eq!(charged, 2, "samples cost nothing");
}

/// A job without a language model writes rows, and none on conditions.
#[tokio::test]
async fn a_distribution_alone_writes_rows_without_conditions() {
    let api = TestApi::open().await;
    api.clinic(9.0, 400).await;
    let _worker = api.worker(30.0);
    let id = finished_with(&api, json!({"generator": "distribution"}), json!({})).await;
    let report = api.get(&format!("/v1/jobs/{id}/report")).await.expect(200);
    let tried: Vec<_> = report["generators"].as_array().unwrap().iter().map(|tried| &tried["generator"]).collect();
    assert_eq!(tried, ["distribution"]);
    let free = rows(&samples(&api, &id, json!({"rows": 70})).await);
    assert!(free.len() == 70 && free.iter().all(|row| ["a", "b", "c"].contains(&row[1].as_str())));
    let lines = samples(&api, &id, json!({"rows": 5, "format": "jsonl"})).await;
    assert_eq!(lines.text.lines().count(), 5);
    for body in [
        json!({"conditions": {"ill": "yes"}}),
        json!({"proportions": {"ward": {"a": 1}}}),
        json!({"given": [{"age": 20}]}),
        json!({"rows": 5, "temperature": 0.5}),
    ] {
        let refused = problem(&samples(&api, &id, body.clone()).await, 422, "request_invalid");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("no language model") && detail.contains("generator: auto"), "{body}: {refused}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_without_repeating_it() {
    let api = TestApi::open().await;
    api.clinic(3.0, 400).await;
    let waiting = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    let queued = samples(&api, waiting["id"].as_str().unwrap(), json!({})).await;
    problem(&queued, 409, "state_conflict");
    problem(&samples(&api, "01890000-0000-7000-8000-000000000000", json!({})).await, 404, "not_found");
    api.post(&format!("/v1/jobs/{}/cancel", waiting["id"].as_str().unwrap()), &json!({})).await;
    let _worker = api.worker(30.0);
    let id = finished(&api, json!({"stage1": "uniform"})).await;
    for (body, at) in [
        (json!({"rows": 0}), "rows"),
        (json!({"rows": 100_001}), "rows"),
        (json!({"rows": 5, "given": [{}]}), "rows"),
        (json!({"given": []}), "given"),
        (json!({"candidates": 257}), "candidates"),
        (json!({"temperature": 0}), "temperature"),
        (json!({"top_k": 0}), "top_k"),
        (json!({"top_p": 1.5}), "top_p"),
        (json!({"conditions": {"heigth": "canary"}}), "conditions.heigth"),
        (json!({"conditions": {"ward": "canary"}}), "conditions.ward"),
        (json!({"conditions": {"age": 1e9}}), "conditions.age"),
        (json!({"conditions": {"ill": ""}}), "conditions.ill"),
        (json!({"conditions": {"ill": ["canary"]}}), "conditions.ill"),
        (json!({"given": [{}, {"age": "canary"}]}), "given[1].age"),
        (json!({"proportions": {"ward": {"canary": 1}}}), "proportions.ward"),
        (json!({"proportions": {"ward": {"a": -1}}}), "proportions.ward"),
        (json!({"proportions": {"ward": {}}}), "proportions.ward"),
        (json!({"proportions": {"ward": {"a": 1}}, "conditions": {"ward": "a"}}), "proportions.ward"),
        (json!({"format": "xml"}), "body"),
        (json!({"row": 5}), "body"),
        (json!({"raw": "canary"}), "body"),
    ] {
        let answer = samples(&api, &id, body.clone()).await;
        assert_eq!(problem(&answer, 422, "request_invalid")["at"], at, "{body}");
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
}
