//! Two tables that differ in rows, under the same declaration: everybody but the custodian gets the
//! same answers, up to the noise in the table itself.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{TestApi, clinic};

/// An answer without what names or times it: ids, links, moments, digests.
fn stripped(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let own = |name: &str| {
                [
                    "id",
                    "request_id",
                    "population",
                    "job_id",
                    "job",
                    "links",
                    "head",
                    "digest",
                    "at",
                    "at_micros",
                    "dataset",
                    "issuer",
                    "artifacts",
                ]
                .contains(&name)
                    || name.ends_with("_at")
            };
            members.into_iter().filter(|(name, _)| !own(name)).map(|(name, value)| (name, stripped(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(stripped).collect(),
        other => other,
    }
}

/// Everything that can be asked about a table and the jobs on it.
async fn answers(api: &TestApi, csv: String) -> Vec<(&'static str, Value)> {
    let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 100,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    api.upload("clinic", csv).await.expect(201);
    let request = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 20, "training": {"steps": 20, "batch": 50}});
    let estimate = api.post("/v1/estimates", &request).await.expect(200);
    let job = api.post("/v1/jobs", &request).await.expect(202);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let worker = api.worker(10.0);
    api.job_until(job["id"].as_str().unwrap(), Duration::from_secs(60), |j| j["finished_at"].is_string()).await;
    drop(worker);
    let refused = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.99})).await.expect(409);
    let released = |path: &str| format!("{path}?view=released");
    let table = api.get(&format!("{path}/synthetic")).await;
    assert_eq!(table.text.lines().count(), 21);
    let mut found = vec![("estimate", estimate), ("refusal", refused)];
    for (what, path) in [
        ("dataset", released("/v1/datasets/clinic")),
        ("datasets", "/v1/datasets?view=released".into()),
        ("budget", "/v1/datasets/clinic/budget".into()),
        ("ledger", "/v1/datasets/clinic/ledger".into()),
        ("job", released(&path)),
        ("jobs", released("/v1/jobs")),
        ("report", released(&format!("{path}/report"))),
        ("comparison", released("/v1/datasets/clinic/comparison")),
    ] {
        found.push((what, api.get(&path).await.expect(200)));
    }
    let envelope = api.get(&format!("{path}/certificate")).await.expect(200);
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    found.push(("certificate", serde_json::from_slice(&payload).unwrap()));
    found.into_iter().map(|(what, answer)| (what, stripped(answer))).collect()
}

#[tokio::test]
async fn released_answers_do_not_depend_on_rows() {
    let rows = |count: usize| format!("age,ward,ill\n{}", "40,a,no\n".repeat(count));
    let base = answers(&TestApi::open().await, rows(100)).await;
    // One row more, the rarest there could be, and a table of nobody but three.
    for csv in [rows(100) + "99,c,yes\n", rows(3)] {
        for ((what, mine), (_, other)) in base.iter().zip(answers(&TestApi::open().await, csv).await) {
            assert_eq!(*mine, other, "{what} depends on the rows");
        }
    }
}
