//! Figures for everybody that a job bought: asked for, paid, shown, certified; and refused where that makes no sense.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{TestApi, clinic};

/// A clinic of 400 rows whose wards tell who is ill.
fn upload() -> String {
    let row = |i: usize| format!("{},{},{}\n", 20 + i % 60, ["a", "b"][i % 2], ["no", "yes"][i % 2]);
    format!("age,ward,ill\n{}", (0..400).map(row).collect::<String>())
}

#[tokio::test]
async fn everybody_sees_the_figures_that_were_bought() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let [custodian, analyst] = [api.token(Role::Custodian).await, api.token(Role::Analyst).await];
    let by =
        |token: &str, method, path: &str| api.request(method, path).header("authorization", format!("Bearer {token}"));
    let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 400, "holdout": 0.5,
                          "budget": {"epsilon": 9.0, "delta": 1e-6}});
    api.send(by(&custodian, Method::POST, "/v1/datasets").json(&declared)).await.expect(201);
    let csv = by(&custodian, Method::PUT, "/v1/datasets/clinic/rows").header("content-type", "text/csv");
    api.send(csv.body(upload())).await.expect(201);
    let job = json!({"dataset": "clinic", "epsilon": 8.0, "rows": 390, "method": {"generator": "distribution"},
                     "report": {"released_epsilon": 4.0}});
    let estimate = api.send(by(&analyst, Method::POST, "/v1/estimates").json(&job)).await.expect(200);
    assert_eq!((&estimate["epsilon"], &estimate["fits_budget"]), (&json!(8.0), &json!(true)));
    let job = api.send(by(&analyst, Method::POST, "/v1/jobs").json(&job)).await.expect(202);
    let id = job["id"].as_str().unwrap().to_owned();
    let _worker = api.worker(10.0);
    let mut done = Value::Null;
    while done["status"] != "succeeded" {
        done = api.send(by(&custodian, Method::GET, &format!("/v1/jobs/{id}?wait=20"))).await.expect(200);
        assert_ne!(done["status"], "failed");
    }

    let path = format!("/v1/jobs/{id}/report");
    let report = api.send(by(&analyst, Method::GET, &path)).await.expect(200);
    let found = &report["figures"];
    assert_eq!(
        (&report["view"], &report["epsilon"], &found["epsilon"]),
        (&json!("released"), &json!(8.0), &json!(4.0))
    );
    let inside = |noisy: &Value, exact: f64| {
        let [low, high] = ["low", "high"].map(|end| noisy[end].as_f64().unwrap());
        // Three times the interval: one time in many millions.
        assert!(low - (high - low) <= exact && exact <= high + (high - low), "{noisy}: {exact}");
    };
    inside(&found["rows"], 400.0);
    assert_eq!(found["columns"].as_array().unwrap().len(), 3);
    assert!(found["one_way"]["value"].as_f64().unwrap() > 0.5 && found["two_way"]["low"].is_number());
    let target = &found["target"];
    assert_eq!((&target["column"], &target["positive"]), (&json!("ill"), &json!("yes")));
    assert!(target["roc_auc"]["value"].as_f64().unwrap() > 0.7, "the ward tells: {target}");
    inside(&target["baseline_accuracy"], 0.5);
    // The custodian may see the same, beside the exact one, which is another document.
    let released = api.send(by(&custodian, Method::GET, &format!("{path}?view=released"))).await.expect(200);
    assert_eq!(&released["figures"], found);
    let exact = api.send(by(&custodian, Method::GET, &path)).await.expect(200);
    assert!(exact["view"] == "custodian" && exact["figures"].is_null());

    let page = api.send(by(&analyst, Method::GET, &path).header("accept", "text/html")).await;
    for words in ["May be published", "95 % interval", "Gradient boosting", "In common with the real table"] {
        assert!(page.text.contains(words), "{words}");
    }
    let comparison = api.send(by(&analyst, Method::GET, "/v1/datasets/clinic/comparison")).await.expect(200);
    assert_eq!((&comparison["view"], &comparison["jobs"][0]["figures"]), (&json!("released"), found));
    let page = by(&analyst, Method::GET, "/v1/datasets/clinic/comparison").header("accept", "text/html");
    assert!(api.send(page).await.text.contains(" to 1)") && comparison["jobs"][0]["job"] == *id);

    let envelope = api.send(by(&analyst, Method::GET, &format!("/v1/jobs/{id}/certificate"))).await.expect(200);
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let certificate: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(certificate["reports"]["released_epsilon"], 4.0);
    assert_eq!(certificate["artifacts"]["figures"].as_str().unwrap().len(), 64);
    let epsilon = certificate["guarantee"]["epsilon"].as_f64().unwrap();
    assert!(epsilon <= 8.0 && epsilon > 7.9, "the figures are part of it: {epsilon}");
}

#[tokio::test]
async fn figures_that_make_no_sense_are_refused() {
    let api = TestApi::open().await;
    for (name, access) in
        [("clinic", json!({"budget": {"epsilon": 2.0, "delta": 1e-6}})), ("open", json!({"access": "public"}))]
    {
        let mut declared = json!({"name": name, "schema": clinic(), "rows_public": 100});
        declared.as_object_mut().unwrap().extend(access.as_object().unwrap().clone());
        api.post("/v1/datasets", &declared).await.expect(201);
        api.upload(name, upload()).await.expect(201);
    }
    for (dataset, wanted, words) in [
        ("clinic", 1.0, "less than that"),
        ("clinic", 7.0, "less than that"),
        ("clinic", -0.1, "say 0"),
        ("clinic", 0.000_1, "0.001"),
        ("clinic", 0.001, "larger"),
        ("open", 0.1, "public"),
    ] {
        let request = json!({"dataset": dataset, "epsilon": 1.0, "report": {"released_epsilon": wanted}});
        for path in ["/v1/jobs", "/v1/estimates"] {
            let answer = api.post(path, &request).await;
            let found = problem(&answer, 422, "request_invalid");
            assert!(found.to_string().contains("report.released_epsilon"), "{found}");
            assert!(found.to_string().contains(words), "{found}");
        }
    }
}
