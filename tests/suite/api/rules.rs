//! Rules between columns, from the declaration to the report.

use std::time::Duration;

use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::TestApi;

const PATIENCE: Duration = Duration::from_secs(120);

fn declared() -> Value {
    let columns = json!([
        {"name": "age", "type": "integer", "min": 0, "max": 99},
        {"name": "married", "type": "integer", "min": 0, "max": 99, "nullable": true},
        {"name": "ward", "type": "categorical", "categories": ["child", "adult"]},
        {"name": "ill", "type": "boolean"}]);
    let rules = json!([
        {"type": "order", "columns": ["married", "age"]},
        {"type": "implies", "when": {"column": "age", "max": 15}, "then": {"column": "married", "in": [null]}},
        {"type": "implies", "when": {"column": "age", "max": 15}, "then": {"column": "ward", "in": ["child"]}},
        {"type": "implies", "when": {"column": "age", "min": 16}, "then": {"column": "ward", "in": ["adult"]}}]);
    json!({"name": "people", "schema": {"columns": columns, "target": "ill", "rules": rules}, "rows_public": 400,
           "budget": {"epsilon": 9.0, "delta": 1e-6}})
}

/// Whether a line of a CSV keeps the rules.
fn keeps(line: &str) -> bool {
    let cells: Vec<&str> = line.split(',').collect();
    let (age, married): (u32, Option<u32>) = (cells[0].parse().unwrap(), cells[1].parse().ok());
    let child = age <= 15;
    married.is_none_or(|married| !child && married <= age) && cells[2] == if child { "child" } else { "adult" }
}

#[tokio::test]
async fn rules_hold_from_the_upload_to_the_samples() {
    let api = TestApi::open().await;
    let made = api.post("/v1/datasets", &declared()).await.expect(201);
    assert_eq!(
        made["schema"]["rules"],
        declared()["schema"]["rules"].as_array().map_or(json!(null), |rules| {
            let mut rules = rules.clone();
            // Ends are written out.
            rules[1]["when"]["min"] = json!(0);
            rules[2]["when"]["min"] = json!(0);
            rules[3]["when"]["max"] = json!(99);
            json!(rules)
        })
    );
    let row = |i: usize| match i % 100 {
        age @ 0..16 => format!("{age},,child,{}\n", i.is_multiple_of(3)),
        age => format!("{age},{},adult,{}\n", 16 + i % (age - 15), i.is_multiple_of(3)),
    };
    let csv = |rows: usize| format!("age,married,ward,ill\n{}", (0..rows).map(row).collect::<String>());
    let refused = api.upload("people", csv(3) + "31,47,adult,true\n").await;
    let said = problem(&refused, 422, "csv_invalid");
    assert_eq!(
        said["problems"],
        json!([{"row": 4, "column": null, "reason": "breaks rules[0] of the schema (married <= age)"}])
    );
    let told = format!("{}{}", said["detail"], said["problems"]);
    assert!(!told.contains("47"), "{told}");
    api.upload("people", csv(400)).await.expect(201);

    let _worker = api.worker(30.0);
    for method in [
        json!({"stage1": "uniform", "stage2": "full"}),
        json!({"stage1": "marginal", "stage2": "none", "generator": "distribution"}),
    ] {
        let training = if method["stage2"] == "none" { json!({}) } else { json!({"steps": 20, "batch": 100}) };
        let body = json!({"dataset": "people", "epsilon": 1.5, "rows": 200, "method": method, "training": training});
        let id = api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
        let done = api.job_until(&id, PATIENCE, |job| job["status"] != "queued" && job["status"] != "running").await;
        assert_eq!(done["status"], "succeeded", "{done}");
        let table = api.get(&format!("/v1/jobs/{id}/synthetic")).await;
        assert_eq!(table.text.lines().count(), 201, "{}", table.text);
        assert!(table.text.lines().skip(1).all(keeps), "{}", table.text);
        let report = api.get(&format!("/v1/jobs/{id}/report")).await.expect(200);
        let rules = &report["rules"];
        assert_eq!(rules["rules"][0], json!({"rule": "married <= age", "broken_synthetic": 0, "broken_real": 0}));
        assert!(rules["rules"].as_array().unwrap().len() == 4 && rules["drawn"].as_u64().unwrap() >= 200, "{rules}");

        let samples = format!("/v1/jobs/{id}/samples");
        let more = api.post(&samples, &json!({"rows": 150})).await;
        assert_eq!((more.status.as_u16(), more.text.lines().count()), (200, 151), "{}", more.text);
        assert!(more.text.lines().skip(1).all(keeps));
        if method["stage2"] == "none" {
            continue;
        }
        let young = api.post(&samples, &json!({"rows": 30, "conditions": {"age": 9}})).await;
        assert_eq!(young.status, 200, "{}", young.text);
        assert!(young.text.lines().skip(1).all(|line| line.starts_with("9,,child,")), "{}", young.text);
        let against = api.post(&samples, &json!({"rows": 5, "conditions": {"age": 9, "married": 8}})).await;
        let said = problem(&against, 422, "request_invalid");
        assert!(
            said["at"] == "given" && said["detail"].as_str().unwrap().starts_with("5 of 5 rows broke a rule"),
            "{said}"
        );
    }
}
