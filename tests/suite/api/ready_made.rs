//! Jobs on a ready-made model: it is named, pinned, trained on sentences, and writes valid rows.

use std::fs;

use dp2stage::model::Config;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::model::ready_made::checkpoint_of;
use crate::model::tokenizers::JSON;
use crate::support::TestApi;

const TINY: Config = Config { vocabulary: 400, positions: 64, width: 16, layers: 2, heads: 2, opening: 0 };

fn put(api: &TestApi, config: Config) {
    let (config, weights) = checkpoint_of(config);
    fs::create_dir_all(api.tiny()).unwrap();
    for (name, bytes) in [("config.json", &config[..]), ("model.safetensors", &weights), ("tokenizer.json", JSON)] {
        fs::write(api.tiny().join(name), bytes).unwrap();
    }
}

fn body(model: &str, stage2: &str) -> Value {
    json!({"dataset": "clinic", "epsilon": 1.0, "rows": 60, "training": {"steps": 6, "batch": 50},
           "method": {"model": model, "stage1": "uniform", "stage2": stage2}})
}

#[tokio::test]
async fn a_ready_made_model_is_trained_on_sentences_and_writes_valid_rows() {
    let api = TestApi::open().await;
    api.clinic(9.0, 300).await;
    put(&api, TINY);
    let estimate = api.post("/v1/estimates", &body("tiny", "lora")).await.expect(200);
    assert_eq!(estimate["steps"], 6);
    let _worker = api.worker(30.0);
    let mut measured = body("tiny", "none");
    measured["method"]["stage1"] = json!("marginal");
    measured["training"] = json!({"public_steps": 6});
    let mut both = body("tiny", "lora");
    both["method"]["stage1"] = json!("marginal");
    both["training"]["public_steps"] = json!(6);
    for body in [body("tiny", "lora"), body("tiny", "full"), measured, both] {
        let job = api.post("/v1/jobs", &body).await.expect(202);
        let base = &job["plan"]["base"]["model"];
        assert_eq!((base["name"].as_str(), base["files"].as_object().unwrap().len()), (Some("tiny"), 3));
        assert_eq!(job["request"]["method"]["model"], "tiny");
        let id = job["id"].as_str().unwrap().to_owned();
        let patience = std::time::Duration::from_secs(120);
        let done = api.job_until(&id, patience, |job| job["status"] != "queued" && job["status"] != "running").await;
        assert_eq!(done["status"], "succeeded", "{done}");
        let table = api.get(&format!("/v1/jobs/{id}/synthetic")).await;
        let rows: Vec<Vec<&str>> = table.text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 60);
        for row in &rows {
            let age: u32 = row[0].parse().unwrap();
            assert!((18..=99).contains(&age) && ["a", "b", "c"].contains(&row[1]) && ["no", "yes"].contains(&row[2]));
        }
        let some = json!({"rows": 20, "conditions": {"ill": "yes"}, "format": "jsonl"});
        let some = api.post(&format!("/v1/jobs/{id}/samples"), &some).await;
        let all_ill = some.text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["ill"] == "yes");
        assert!(some.status == 200 && some.text.lines().count() == 20 && all_ill, "{}", some.text);
    }
}

/// Stage 1 on a public table writes its rows as sentences of the private one's schema.
#[tokio::test]
async fn a_ready_made_model_is_trained_on_a_public_table_first() {
    let api = TestApi::open().await;
    api.clinic(9.0, 300).await;
    put(&api, TINY);
    let schema = json!({"columns": [{"name": "AGE", "type": "integer", "min": 0, "max": 120},
                                    {"name": "colour", "type": "categorical", "categories": ["red", "blue"]}]});
    let open = json!({"name": "open", "schema": schema, "rows_public": 50, "access": "public"});
    api.post("/v1/datasets", &open).await.expect(201);
    let rows: String = (0..50).map(|i| format!("{},{}\n", i, ["red", "blue"][i % 2])).collect();
    api.upload("open", format!("AGE,colour\n{rows}")).await.expect(201);
    let mut body = body("tiny", "heads");
    body["method"]["stage1"] = json!("public");
    body["method"]["public_dataset"] = json!("open");
    body["training"]["public_steps"] = json!(4);
    let job = api.post("/v1/jobs", &body).await.expect(202);
    let _worker = api.worker(30.0);
    let patience = std::time::Duration::from_secs(120);
    let done = api.job_until(job["id"].as_str().unwrap(), patience, |job| job["finished_at"].is_string()).await;
    assert_eq!((&done["status"], &done["plan"]["public"]["steps"]), (&json!("succeeded"), &json!(4)), "{done}");
}

#[tokio::test]
async fn models_that_cannot_be_used_are_refused_with_the_reason() {
    let api = TestApi::open().await;
    api.clinic(9.0, 300).await;
    let refused = async |model: &str| {
        let answer = api.post("/v1/jobs", &body(model, "full")).await;
        let problem = problem(&answer, 422, "request_invalid");
        assert_eq!(problem["at"], "method.model");
        problem["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused("nobody").await.contains("nobody"));
    assert!(refused("tiny").await.contains("config.json"), "the missing file is named");
    put(&api, Config { positions: 9, ..TINY });
    assert!(refused("tiny").await.contains("the model reads 9"));
    fs::write(api.tiny().join("tokenizer.json"), "{}").unwrap();
    assert!(refused("tiny").await.contains("tokenizer"));
}
