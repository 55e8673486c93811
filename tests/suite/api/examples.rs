//! The examples of the contract, played: requests are taken, and answers are of the shape that the service gives.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::support::{Answer, TestApi};

const EXAMPLES: &str = include_str!("../../../openapi/examples.json");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/examples.json");

/// All operations in an order in which each of them has something to say.
const JOURNEY: [&str; 31] = [
    "is_alive",
    "is_ready",
    "propose_schema",
    "declare_dataset",
    "upload_rows",
    "set_retention",
    "estimate_job",
    "submit_job",
    "list_jobs",
    "get_job",
    "stream_events",
    "list_attempts",
    "get_synthetic",
    "get_certificate",
    "get_report",
    "sample_rows",
    "compare_jobs",
    "raise_budget",
    "get_budget",
    "get_ledger",
    "list_datasets",
    "get_dataset",
    "create_key",
    "list_keys",
    "revoke_key",
    "list_workers",
    "list_certificate_keys",
    "list_audit",
    "export_audit_chain",
    "cancel_job",
    "delete_dataset",
];

/// Answers that are too long to be read, or not for every eye.
const WITHOUT: [&str; 4] = ["get_report", "compare_jobs", "delete_dataset", "revoke_key"];

/// An operation of the document.
struct Place {
    method: String,
    path: String,
    /// What it takes, as a kind of body.
    takes: Option<String>,
}

fn operations(document: &Value) -> BTreeMap<String, Place> {
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, op)| op["operationId"].is_string()) {
            let bodies = operation["requestBody"]["content"].as_object();
            let takes = bodies.map(|bodies| {
                let text = bodies.keys().find(|media| media.starts_with("text/"));
                text.or_else(|| bodies.keys().next()).unwrap().clone()
            });
            let place = Place { method: method.to_uppercase(), path: path.clone(), takes };
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(all.insert(id, place).is_none(), "two operations have the same id");
        }
    }
    all
}

async fn play(api: &TestApi, key: &str, place: &Place, (request, ids): (Option<&Value>, &[(&str, String)])) -> Answer {
    let mut path = place.path.clone();
    ids.iter().for_each(|(name, id)| path = path.replace(&format!("{{{name}}}"), id));
    let mut call = api.request(place.method.parse().unwrap(), &path).bearer_auth(key);
    if let Some(media) = &place.takes {
        call = call.header("content-type", media);
        call = match request.expect("an example of a body") {
            Value::String(text) => call.body(text.clone()),
            body => call.body(body.to_string()),
        };
    }
    api.send(call).await
}

/// The first place where an example is unlike an answer: a member that is not there, or of another type. Of a list, each item
/// has to be like some item.
fn unlike(example: &Value, answer: &Value, at: &str) -> Option<String> {
    match (example, answer) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Object(example), Value::Object(answer)) => {
            example.iter().find_map(|(name, value)| match answer.get(name) {
                None => Some(format!("{at}.{name} is in the example alone")),
                Some(found) => unlike(value, found, &format!("{at}.{name}")),
            })
        }
        (Value::Array(example), Value::Array(answer)) => {
            let nowhere = |item: &Value| {
                let faults: Option<Vec<String>> = answer.iter().map(|found| unlike(item, found, at)).collect();
                faults.and_then(|faults| faults.into_iter().next())
            };
            example.iter().find_map(nowhere)
        }
        _ => (std::mem::discriminant(example) != std::mem::discriminant(answer)).then(|| format!("{at}: {answer}")),
    }
}

/// A job when it is over.
async fn ended(api: &TestApi, key: &str, job: &str) -> Value {
    let waiting = async {
        loop {
            let call = api.request(reqwest::Method::GET, &format!("/v1/jobs/{job}?wait=5")).bearer_auth(key);
            let seen = api.send(call).await.expect(200);
            if seen["finished_at"].is_string() {
                break seen;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting).await.expect("an end")
}

/// What an answer looks like in the contract: JSON, or the first lines of a text.
fn shown(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text)
        .unwrap_or_else(|_| json!(answer.text.lines().take(6).map(|line| format!("{line}\n")).collect::<String>()))
}

/// A long answer in short: three items of a list, the beginning of a text.
fn short(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, short(value))).collect(),
        Value::Array(items) => items.into_iter().take(3).map(short).collect(),
        Value::String(text) if text.chars().count() > 400 => json!(text.chars().take(400).collect::<String>() + "..."),
        other => other,
    }
}

/// `DP2STAGE_EXAMPLES=renew` writes the answers anew.
#[tokio::test]
async fn examples_are_what_the_service_takes_and_gives() {
    let api = TestApi::start(false, dp2stage::tabular::UploadLimits::default()).await;
    let key = api.token(dp2stage::store::Role::Admin).await;
    let mut examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap();
    let document = api.get("/openapi.json").await.expect(200);
    let operations = operations(&document);
    let mut known: Vec<&str> = operations.keys().map(String::as_str).collect();
    let mut played = JOURNEY.to_vec();
    played.sort_unstable();
    known.sort_unstable();
    assert_eq!(played, known, "the journey goes past every operation once");
    assert_eq!(examples.keys().map(String::as_str).collect::<Vec<_>>(), known, "each has an example");
    let _worker = api.worker(30.0);
    let mut ids = vec![("dataset", "clinic".to_owned())];
    let renew = std::env::var("DP2STAGE_EXAMPLES").is_ok();
    for id in JOURNEY {
        let example = examples.get_mut(id).unwrap();
        if id == "cancel_job" {
            // One that takes longer than this.
            let later = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 100_000, "method": {"stage1": "uniform"}});
            let call = api.request(reqwest::Method::POST, "/v1/jobs").bearer_auth(&key).json(&later);
            ids.retain(|(name, _)| *name != "job");
            ids.push(("job", api.send(call).await.expect(202)["id"].as_str().unwrap().to_owned()));
        }
        let answer = play(&api, &key, &operations[id], (example.get("request"), &ids)).await;
        assert!(answer.status.is_success(), "{id}: {} {}", answer.status, answer.text);
        let mut body = shown(&answer);
        if body["key"].is_string() {
            body["key"] = json!("dp2_ID_SECRET");
        }
        match id {
            "submit_job" => {
                let job = body["id"].as_str().unwrap().to_owned();
                assert_eq!(ended(&api, &key, &job).await["status"], "succeeded");
                ids.push(("job", job));
            }
            "cancel_job" => assert_eq!(ended(&api, &key, body["id"].as_str().unwrap()).await["status"], "cancelled"),
            "create_key" => ids.push(("key", body["id"].as_str().unwrap().to_owned())),
            _ => {}
        }
        if WITHOUT.contains(&id) {
            continue;
        }
        if renew {
            example["answer"] = short(body);
        } else {
            assert_eq!(unlike(&example["answer"], &body, id), None);
        }
    }
    if renew {
        std::fs::write(FILE, serde_json::to_string_pretty(&examples).unwrap() + "\n").unwrap();
    }
}
