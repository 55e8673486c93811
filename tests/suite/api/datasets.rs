//! Declared tables, their versions and their budgets.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{TestApi, clinic};

fn declared(name: &str) -> Value {
    json!({"name": name, "schema": clinic(), "rows_public": 1000, "budget": {"epsilon": 2.0, "delta": 1e-6}})
}

#[tokio::test]
async fn a_dataset_is_found_by_id_and_by_name() {
    let api = TestApi::open().await;
    for name in [
        "plain",
        "with space",
        "\u{1f980} \u{5d0}\u{5d1}",
        "a+b&c=d?e#f%20",
        "'; drop table jobs; --",
        &"x".repeat(200),
    ] {
        let answer = api.post("/v1/datasets", &declared(name)).await;
        let location = answer.headers["location"].to_str().unwrap().to_owned();
        let made = answer.expect(201);
        assert_eq!(
            (made["name"].as_str(), made["rows"].is_null(), made["ignored"].is_null()),
            (Some(name), true, true)
        );
        assert_eq!(location, format!("/v1/datasets/{}", made["id"].as_str().unwrap()));
        let encoded: String = name.bytes().map(|b| format!("%{b:02x}")).collect();
        for path in [location, format!("/v1/datasets/{encoded}")] {
            assert_eq!(api.get(&path).await.expect(200)["id"], made["id"], "{path}");
        }
    }
    problem(&api.post("/v1/datasets", &declared("plain")).await, 409, "state_conflict");
    problem(&api.post("/v1/datasets", &declared("  plain ")).await, 409, "state_conflict");
    problem(&api.post("/v1/datasets", &declared(&"x".repeat(201))).await, 422, "request_invalid");
}

/// A dataset named with another's id does not stand in front of it.
#[tokio::test]
async fn an_id_wins_over_a_name() {
    let api = TestApi::open().await;
    let first = api.post("/v1/datasets", &declared("first")).await.expect(201);
    let id = first["id"].as_str().unwrap();
    api.post("/v1/datasets", &declared(id)).await.expect(201);
    assert_eq!(api.get(&format!("/v1/datasets/{id}")).await.expect(200)["name"], "first");
}

#[tokio::test]
async fn both_dialects_of_schemas_are_read() {
    let api = TestApi::open().await;
    let mut body = declared("shared");
    body["schema"] = json!({"name": "shared", "columns": [
        {"name": "age", "type": "numeric", "integer": true, "min": 17, "max": 90, "edges": [17, 30, 90]},
        {"name": "fnl", "type": "numeric", "min": 0, "max": 1, "edges": [0, 1]},
        {"name": "ward", "type": "categorical", "categories": ["a", "b"]}], "target": "ward", "source": "x"});
    let made = api.post("/v1/datasets", &body).await.expect(201);
    assert_eq!(made["ignored"], json!(["source", "columns[0].edges", "columns[1].edges"]));
    let types: Vec<_> = made["schema"]["columns"].as_array().unwrap().iter().map(|c| c["type"].clone()).collect();
    assert_eq!(types, ["integer", "number", "categorical"]);
    // What comes back is a declaration that means the same.
    body["name"] = json!("again");
    body["schema"] = made["schema"].clone();
    let again = api.post("/v1/datasets", &body).await.expect(201);
    assert_eq!((&again["schema"], again["ignored"].is_null()), (&made["schema"], true));
}

#[tokio::test]
async fn a_second_upload_is_a_second_version_and_no_second_budget() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.75})).await.expect(202);
    let before = api.get("/v1/datasets/clinic/budget").await.expect(200);
    let version = api.upload("clinic", "ill,age,ward\r\nno,20,a\r\nyes,30,b").await.expect(201);
    assert_eq!(
        (version["version"].as_u64(), version["rows"].as_u64(), version["bytes"].as_u64()),
        (Some(2), Some(2), Some(31))
    );
    assert_eq!(version["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(api.get("/v1/datasets/clinic/budget").await.expect(200), before);
    assert_eq!(api.get("/v1/datasets/clinic").await.expect(200)["rows"], version);
    problem(&api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.9})).await, 409, "budget_exhausted");
}

#[tokio::test]
async fn a_grant_can_be_raised_and_never_lowered() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    let path = "/v1/datasets/clinic/budget";
    // A guarantee that was given for one delta cannot be turned into one for another.
    let lower = [(0.999, 1e-6), (1.0, 0.9e-6), (2.0, 1e-7), (0.5, 1e-3), (2.0, 2e-6)];
    for (epsilon, delta) in lower {
        problem(&api.post(path, &json!({"epsilon": epsilon, "delta": delta})).await, 422, "request_invalid");
    }
    assert_eq!(api.get(path).await.expect(200)["entries"].as_array().unwrap().len(), 2);
    let raised = api.post(path, &json!({"epsilon": 4.0})).await.expect(200);
    let figure = |member: &str| raised[member].as_f64().unwrap();
    assert_eq!((figure("epsilon"), figure("delta"), figure("spent")), (4.0, 1e-6, 0.0));
    assert!(figure("reserved") < 0.125, "the old job's share of the larger budget");
    assert!((figure("spent") + figure("reserved") + figure("remaining") - 1.0).abs() < 1e-9);
    let grants: Vec<_> = raised["entries"].as_array().unwrap().iter().filter(|e| e["kind"] == "grant").collect();
    assert_eq!((grants[0]["epsilon"].as_f64(), grants[1]["epsilon"].as_f64()), (Some(1.0), Some(4.0)));
    let largest = figure("largest_next_epsilon");
    assert!((3.0..4.0).contains(&largest), "{largest}");
    api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": largest})).await.expect(202);
}

/// Pages of datasets join to the whole list, in the order of declaration.
#[tokio::test]
async fn pages_of_datasets_join() {
    let api = TestApi::open().await;
    for i in 0..23 {
        api.post("/v1/datasets", &declared(&format!("d{i:02}"))).await.expect(201);
    }
    let (mut names, mut path) = (Vec::new(), "/v1/datasets?limit=5".to_owned());
    loop {
        let page = api.get(&path).await.expect(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/datasets?limit=5&cursor={cursor}");
    }
    assert_eq!(names, (0..23).map(|i| format!("d{i:02}")).collect::<Vec<_>>());
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 23);
}

/// A wide table with many categories is declared, uploaded and planned without growing out of hand.
#[tokio::test]
async fn the_largest_schema_is_taken() {
    let api = TestApi::open().await;
    let columns: Vec<_> =
        (0..1024).map(|i| json!({"name": format!("c{i}"), "type": "integer", "min": 0, "max": 9})).collect();
    let mut body = declared("wide");
    body["schema"] = json!({"columns": columns});
    api.post("/v1/datasets", &body).await.expect(201);
    let header: Vec<_> = (0..1024).map(|i| format!("c{i}")).collect();
    let csv = format!("{}\n{}\n", header.join(","), ["7"; 1024].join(","));
    assert_eq!(api.upload("wide", csv).await.expect(201)["rows"], 1);
    let categories: Vec<_> = (0..5000).map(|i| format!("category {i}")).collect();
    body["name"] = json!("many");
    body["schema"] = json!({"columns": [{"name": "c", "type": "categorical", "categories": categories}]});
    api.post("/v1/datasets", &body).await.expect(201);
    assert_eq!(api.upload("many", "c\ncategory 4999\n").await.expect(201)["rows"], 1);
    body["schema"]["columns"] = json!(vec![columns[0].clone(); 1025]);
    problem(&api.post("/v1/datasets", &body).await, 422, "schema_invalid");
}

/// A declared number of rows that is far off is pointed out to the custodian, and accepted.
#[tokio::test]
async fn a_number_of_rows_that_is_far_off_is_pointed_out() {
    let api = TestApi::open().await;
    let declared =
        json!({"name": "t", "schema": clinic(), "rows_public": 100, "budget": {"epsilon": 1, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    for (rows, advised) in [(49, true), (50, false), (200, false), (201, true)] {
        let answer = api.upload("t", format!("age,ward,ill\n{}", "20,a,no\n".repeat(rows))).await.expect(201);
        assert_eq!(answer["note"].is_string(), advised, "{answer}");
        let dataset = api.get("/v1/datasets/t").await.expect(200);
        assert_eq!(dataset["rows"]["note"], answer["note"]);
    }
}
