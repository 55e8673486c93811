//! Public tables: declared, trained on without privacy, used for another table's stage 1; and every method that
//! makes no sense.

use std::time::Duration;

use serde_json::{Value, json};

use super::certificates::content;
use super::refusal::problem;
use crate::support::{TestApi, clinic};

/// Another clinic's table: the columns in another order, one with another name, no ward.
fn other_clinic() -> Value {
    json!({"columns": [
        {"name": "ILL", "type": "categorical", "categories": ["yes", "no"]},
        {"name": "years", "type": "integer", "min": 0, "max": 120}], "target": "ILL"})
}

async fn declare(api: &TestApi, name: &str, schema: Value) -> Value {
    let body = json!({"name": name, "schema": schema, "rows_public": 300, "access": "public"});
    api.post("/v1/datasets", &body).await.expect(201)
}

/// A private clinic, and two public tables, of which one has rows.
async fn three() -> TestApi {
    let api = TestApi::open().await;
    api.clinic(2.0, 300).await;
    declare(&api, "open", other_clinic()).await;
    declare(&api, "empty", clinic()).await;
    let rows = (0..300).map(|i| format!("{},{}\n", ["yes", "no"][i % 2], i % 121)).collect::<String>();
    api.upload("open", format!("ILL,years\n{rows}")).await.expect(201);
    api
}

fn job(dataset: &str, method: &Value) -> Value {
    json!({"dataset": dataset, "epsilon": 0.5, "rows": 200, "method": method})
}

async fn finished(api: &TestApi, body: &Value) -> Value {
    let job = api.post("/v1/jobs", body).await.expect(202);
    let patience = Duration::from_secs(120);
    let job = api.job_until(job["id"].as_str().unwrap(), patience, |job| job["finished_at"].is_string()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

#[tokio::test]
async fn a_table_is_declared_public_once() {
    let api = three().await;
    let made = api.get("/v1/datasets/open").await.expect(200);
    assert_eq!((&made["access"], &made["privacy_unit"]), (&json!("public"), &json!({"kind": "row"})));
    assert_eq!(api.get("/v1/datasets/clinic").await.expect(200)["access"], "private");
    // It needs no budget; a private job on it would spend the one that it has.
    let refused = api.post("/v1/jobs", &job("open", &json!({}))).await;
    problem(&refused, 409, "budget_exhausted");
    let granted = json!({"name": "granted", "schema": clinic(), "rows_public": 300, "access": "public",
                         "budget": {"epsilon": 3.0, "delta": 1e-6}});
    api.post("/v1/datasets", &granted).await.expect(201);
    assert_eq!(api.get("/v1/datasets/granted/budget").await.expect(200)["epsilon"], 3.0);

    let base = json!({"name": "new", "schema": clinic(), "rows_public": 300, "access": "public"});
    let population = api.get("/v1/datasets/clinic").await.expect(200)["population"].clone();
    let person = json!({"kind": "person", "column": "who", "max_rows": 3});
    for (member, value) in [("population", population), ("privacy_unit", person)] {
        let mut body = base.clone();
        body[member] = value;
        let refused = problem(&api.post("/v1/datasets", &body).await, 422, "request_invalid");
        assert_eq!(refused["at"], member);
    }
    // What was private under a name does not become public under it.
    let gone = api.send(api.request(reqwest::Method::DELETE, "/v1/datasets/clinic")).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let again = json!({"name": "clinic", "schema": clinic(), "rows_public": 300, "access": "public"});
    problem(&api.post("/v1/datasets", &again).await, 409, "state_conflict");
}

/// A job without privacy on a public table reserves nothing, is charged nothing, and says so everywhere.
#[tokio::test]
async fn a_public_table_is_learnt_at_no_cost() {
    let api = three().await;
    let mut body = job("open", &json!({"stage1": "non_private", "stage2": "none"}));
    let estimate = api.post("/v1/estimates", &body).await.expect(200);
    assert_eq!(
        (&estimate["source"], &estimate["share"], &estimate["epsilon"]),
        (&json!("non_private"), &json!(0.0), &json!(0.0))
    );
    assert_eq!(
        (&estimate["noise_multiplier"], &estimate["steps"], &estimate["events"]),
        (&Value::Null, &json!(0), &json!([]))
    );
    assert_eq!(estimate["fits_budget"], true);
    body["training"] = json!({"public_steps": 150});
    assert_eq!(api.post("/v1/estimates", &body).await.expect(200)["public_steps"], 150);
    let queued = api.post("/v1/jobs", &body).await.expect(202);
    assert_eq!(queued["epsilon"], json!({"reserved": 0.0, "charged": 0.0}));
    api.post(&format!("/v1/jobs/{}/cancel", queued["id"].as_str().unwrap()), &json!(null)).await.expect(202);
    let _worker = api.worker(10.0);
    let done = finished(&api, &body).await;
    assert_eq!((&done["plan"]["source"], &done["plan"]["private"]), (&json!("non_private"), &Value::Null));
    assert_eq!(done["epsilon"], json!({"reserved": 0.0, "charged": 0.0}));
    let path = format!("/v1/jobs/{}", done["id"].as_str().unwrap());
    assert_eq!(api.get(&format!("{path}/synthetic")).await.text.lines().count(), 201);
    assert_eq!(api.post(&format!("{path}/samples"), &json!({"rows": 5})).await.text.lines().count(), 6);
    assert!(api.get(&format!("{path}/report")).await.expect(200)["one_way"]["mean"].as_f64().unwrap() > 0.6);
    let told = content(&api.get(&format!("{path}/certificate")).await.text);
    assert_eq!((&told["guarantee"]["epsilon"], &told["mechanism"]["steps"]), (&json!(0.0), &Value::Null));
    assert_eq!(told["reports"]["exact_for_custodian"], false);
    assert!(told["promises"][0].as_str().unwrap().contains("declared public"), "{told}");
    let budget = api.get("/v1/datasets/open/budget").await.expect(200);
    assert_eq!((&budget["spent"], &budget["reserved"], &budget["remaining"]), (&json!(0.0), &json!(0.0), &json!(1.0)));
    let entries = budget["entries"].as_array().unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["grant", "reservation", "reservation"]);
    assert_eq!((&entries[2]["epsilon"], &entries[2]["share"]), (&Value::Null, &json!(0.0)));
}

/// Stage 1 on the newest upload of another table, which the plan names from then on; stage 2 costs what it does
/// with any other.
#[tokio::test]
async fn another_public_table_is_trained_on_first() {
    let api = three().await;
    let mut body = job("clinic", &json!({"stage1": "public", "public_dataset": "open"}));
    body["training"] = json!({"public_steps": 30, "steps": 6});
    let usual = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 200, "training": {"steps": 6},
                       "method": {"stage1": "uniform"}});
    let (with, without) =
        (api.post("/v1/estimates", &body).await.expect(200), api.post("/v1/estimates", &usual).await.expect(200));
    assert_eq!((&with["source"], &without["source"]), (&json!("public"), &json!("uniform")));
    assert_eq!((&with["share"], &with["noise_multiplier"]), (&without["share"], &without["noise_multiplier"]));
    let queued = api.post("/v1/jobs", &body).await.expect(202);
    let open = api.get("/v1/datasets/open").await.expect(200);
    let columns_and_rows = (&queued["plan"]["public_table"]["columns"], &queued["plan"]["public_table"]["rows"]);
    assert_eq!((&queued["plan"]["public_table"]["dataset"], columns_and_rows), (&open["id"], (&json!(2), &json!(300))));
    // A later upload does not change what was planned, and the table cannot be taken away.
    api.upload("open", "ILL,years\nno,1\n").await.expect(201);
    let busy = api.send(api.request(reqwest::Method::DELETE, "/v1/datasets/open")).await;
    problem(&busy, 409, "state_conflict");
    let _worker = api.worker(10.0);
    let path = format!("/v1/jobs/{}", queued["id"].as_str().unwrap());
    let done =
        api.job_until(queued["id"].as_str().unwrap(), Duration::from_secs(120), |j| j["finished_at"].is_string()).await;
    assert_eq!((&done["status"], &done["plan"]["public_table"]["version"]), (&json!("succeeded"), &json!(1)), "{done}");
    assert_eq!(done["epsilon"]["charged"], 0.5);
    assert_eq!(api.get(&format!("{path}/synthetic")).await.text.lines().count(), 201);
    let open_budget = api.get("/v1/datasets/open/budget").await.expect(200);
    assert_eq!(open_budget["entries"].as_array().unwrap().len(), 1, "nothing is written on the public table's ledger");
}

/// Each with the member that is at fault and the reason.
#[tokio::test]
async fn methods_that_make_no_sense_are_refused() {
    let api = three().await;
    let with = |dataset: &str, method: Value, training: Value| {
        let mut body = job(dataset, &method);
        body["training"] = training;
        body
    };
    let none = json!({});
    for (dataset, method, training, at, says) in [
        ("clinic", json!({"stage1": "none", "stage2": "none"}), none.clone(), "method.stage2", "nothing is trained"),
        (
            "clinic",
            json!({"stage1": "uniform", "stage2": "none"}),
            none.clone(),
            "method.stage2",
            "learns nothing of the dataset",
        ),
        (
            "clinic",
            json!({"stage1": "public", "public_dataset": "open", "stage2": "none"}),
            none.clone(),
            "method.stage2",
            "learns nothing",
        ),
        (
            "clinic",
            json!({"stage1": "uniform", "generator": "distribution"}),
            none.clone(),
            "method.generator",
            "stage1: marginal",
        ),
        (
            "open",
            json!({"stage1": "non_private", "stage2": "none", "generator": "distribution"}),
            none.clone(),
            "method.generator",
            "stage1: marginal",
        ),
        (
            "clinic",
            json!({"stage2": "full", "generator": "distribution"}),
            none.clone(),
            "method.stage2",
            "without a language model",
        ),
        (
            "clinic",
            json!({"generator": "distribution"}),
            json!({"steps": 5}),
            "method.stage2",
            "without a language model",
        ),
        (
            "clinic",
            json!({"generator": "distribution"}),
            json!({"public_steps": 5}),
            "training.public_steps",
            "without a language model",
        ),
        (
            "clinic",
            json!({"generator": "lm"}),
            json!({"public_steps": 0}),
            "training.public_steps",
            "nothing is trained",
        ),
        ("open", json!({"stage1": "non_private"}), json!({"public_steps": 0}), "training.public_steps", "is trained"),
        ("clinic", json!({"stage2": "none"}), json!({"steps": 5}), "training.steps", "stage 2"),
        (
            "clinic",
            json!({"stage1": "non_private", "stage2": "none"}),
            none.clone(),
            "method.stage1",
            "the dataset is private",
        ),
        ("open", json!({"stage1": "non_private", "stage2": "full"}), none.clone(), "method.stage2", "stage2: none"),
        ("open", json!({"stage1": "non_private"}), json!({"steps": 5}), "method.stage2", "stage2: none"),
        ("clinic", json!({"stage1": "public"}), none.clone(), "method.public_dataset", "name the dataset"),
        (
            "clinic",
            json!({"stage1": "public", "public_dataset": "nobody"}),
            none.clone(),
            "method.public_dataset",
            "no such dataset",
        ),
        (
            "clinic",
            json!({"stage1": "public", "public_dataset": "clinic"}),
            none.clone(),
            "method.public_dataset",
            "not declared public",
        ),
        (
            "open",
            json!({"stage1": "public", "public_dataset": "clinic"}),
            none.clone(),
            "method.public_dataset",
            "not declared public",
        ),
        (
            "clinic",
            json!({"stage1": "public", "public_dataset": "empty"}),
            none.clone(),
            "method.public_dataset",
            "no rows",
        ),
        ("clinic", json!({"public_dataset": "open"}), none.clone(), "method.public_dataset", "stage1: public"),
        (
            "clinic",
            json!({"stage1": "none", "public_dataset": "open"}),
            none.clone(),
            "method.public_dataset",
            "stage1: public",
        ),
        ("clinic", json!({"stage1": "none"}), json!({"public_steps": 5}), "training.public_steps", "stage 1"),
        ("open", json!({"stage1": "non_private", "stage2": "none"}), json!({"steps": 5}), "training.steps", "stage 2"),
        (
            "open",
            json!({"stage1": "non_private", "stage2": "none"}),
            json!({"optimiser": "sgd"}),
            "training.optimiser",
            "stage 2",
        ),
        (
            "open",
            json!({"stage1": "non_private", "stage2": "none"}),
            json!({"average": "tail"}),
            "training.average",
            "stage 2",
        ),
    ] {
        let body = with(dataset, method, training);
        for path in ["/v1/jobs", "/v1/estimates"] {
            let refused = problem(&api.post(path, &body).await, 422, "request_invalid");
            assert_eq!(refused["at"], at, "{body}: {refused}");
            assert!(refused["detail"].as_str().unwrap().contains(says), "{body}: {refused}");
        }
    }
    // Settings of a measurement go with one, and the share of one that has all is no setting.
    for (method, measuring, at, says) in [
        (json!({"stage1": "uniform"}), json!({"bins": 9}), "measuring", "stage1: marginal"),
        (json!({"stage1": "none"}), json!({"labels": 0.3}), "measuring", "stage1: marginal"),
        (json!({}), json!({"share": 0.5}), "measuring.share", "all of the privacy"),
        (json!({"stage2": "none"}), json!({"share": 0.5}), "measuring.share", "all of the privacy"),
        (json!({"stage2": "full"}), json!({"share": 1.5}), "measuring.share", "0.01 to 0.98"),
    ] {
        let mut body = job("clinic", &method);
        body["measuring"] = measuring;
        for path in ["/v1/jobs", "/v1/estimates"] {
            let refused = problem(&api.post(path, &body).await, 422, "request_invalid");
            assert_eq!(refused["at"], at, "{body}: {refused}");
            assert!(refused["detail"].as_str().unwrap().contains(says), "{body}: {refused}");
        }
    }
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"], json!([]));
}
