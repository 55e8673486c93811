//! Datasets whose unit of privacy is the person.

use std::collections::HashMap;
use std::time::Duration;

use dp2stage::tabular::{Declaration, RowsReader, decode};
use serde_json::{Value, json};

use super::certificates::content;
use super::refusal::problem;
use crate::support::{TestApi, blob_named, clinic, storage_of};

fn declared(name: &str, unit: Value) -> Value {
    json!({"name": name, "schema": clinic(), "rows_public": 1000, "privacy_unit": unit,
           "budget": {"epsilon": 2.0, "delta": 1e-6}})
}

/// Person i has `1 + i % 6` rows, scattered over the table.
fn visits(persons: usize) -> String {
    let mut csv = String::from("age,patient_id,ward,ill\n");
    for visit in 0..6 {
        for i in (0..persons).filter(|i| visit <= i % 6) {
            csv += &format!("{},zq9canary-{i},{},{}\n", 18 + i % 80, ["a", "b", "c"][i % 3], ["no", "yes"][i % 2]);
        }
    }
    csv
}

#[tokio::test]
async fn a_person_is_declared_with_a_column_and_a_number_of_rows() {
    let api = TestApi::open().await;
    let unit = json!({"kind": "person", "column": " patient_id ", "max_rows": 5});
    let made = api.post("/v1/datasets", &declared("visits", unit)).await.expect(201);
    let whole = json!({"kind": "person", "column": "patient_id", "max_rows": 5, "persons_public": 200});
    assert_eq!(made["privacy_unit"], whole, "as many persons as fill the declared rows");
    assert_eq!(api.get("/v1/datasets/visits").await.expect(200)["privacy_unit"], whole);
    let budget = api.get("/v1/datasets/visits/budget").await.expect(200);
    assert_eq!((&budget["unit"], &budget["units_public"]), (&json!("person"), &json!(200)));
    let given = json!({"kind": "person", "column": "patient_id", "max_rows": 5, "persons_public": 730});
    let made = api.post("/v1/datasets", &declared("given", given.clone())).await.expect(201);
    assert_eq!(made["privacy_unit"], given);

    // A population keeps its unit, whatever is put under it.
    let mut shared = declared("rows", json!({"kind": "row"}));
    shared["population"] = made["population"].clone();
    shared.as_object_mut().unwrap().remove("budget");
    let refused = problem(&api.post("/v1/datasets", &shared).await, 409, "state_conflict");
    assert!(refused["detail"].as_str().unwrap().contains("person"), "{refused}");
    shared["privacy_unit"] = given;
    assert_eq!(api.post("/v1/datasets", &shared).await.expect(201)["population"], made["population"]);
}

#[tokio::test]
async fn canaries_are_no_persons() {
    let api = TestApi::open().await;
    let unit = json!({"kind": "person", "column": "patient_id", "max_rows": 5});
    api.post("/v1/datasets", &declared("visits", unit)).await.expect(201);
    api.upload("visits", visits(50)).await.expect(201);
    let request = json!({"dataset": "visits", "epsilon": 0.5, "rows": 20, "report": {"canaries": 10}});
    let refused = problem(&api.post("/v1/jobs", &request).await, 422, "request_invalid");
    assert!(refused["detail"].as_str().unwrap().contains("persons"), "{refused}");
}

#[tokio::test]
async fn what_makes_no_sense_of_persons_is_refused() {
    let api = TestApi::open().await;
    for (member, value, says) in [
        ("column", json!("age"), "must not be in the schema"),
        ("column", json!(""), "privacy_unit.column"),
        ("column", json!("a\nb"), "privacy_unit.column"),
        ("column", json!(7), "privacy_unit"),
        ("column", Value::Null, "privacy_unit"),
        ("max_rows", json!(0), "privacy_unit"),
        ("max_rows", json!(65), "1 to 64"),
        ("max_rows", json!(-1), "privacy_unit"),
        ("max_rows", Value::Null, "privacy_unit"),
        ("persons_public", json!(0), "privacy_unit.persons_public"),
        ("persons_public", json!(1001), "from 1 to rows_public"),
        ("surprise", json!(1), "surprise"),
    ] {
        let mut unit = json!({"kind": "person", "column": "patient_id", "max_rows": 5, "persons_public": 300});
        unit[member] = value.clone();
        let refused = problem(&api.post("/v1/datasets", &declared("new", unit)).await, 422, "request_invalid");
        assert!(refused.to_string().contains(says), "{member} {value}: {refused}");
    }
    let mut body = declared("new", json!({"kind": "person", "column": "patient_id", "max_rows": 5}));
    body["budget"]["delta"] = json!(0.006);
    let refused = problem(&api.post("/v1/datasets", &body).await, 422, "request_invalid");
    assert!(refused["detail"].as_str().unwrap().contains("1/persons_public"), "{refused}");
    assert_eq!(api.get("/v1/datasets").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn an_upload_says_whose_rows_they_are() {
    let api = TestApi::open().await;
    let unit = json!({"kind": "person", "column": "patient_id", "max_rows": 5});
    api.post("/v1/datasets", &declared("visits", unit)).await.expect(201);
    for (body, says) in [
        ("age,ward,ill\n20,a,no\n", "missing from the header"),
        ("patient_id,age,ward,ill\n,20,a,no\n", "whose"),
        ("patient_id,age,ward,ill\nzq9canary,20,a\n", "3 fields, but 4"),
        ("patient_id,age,ward,ill,patient_id\nzq9canary,20,a,no,zq9canary\n", "twice"),
    ] {
        let answer = api.upload("visits", body).await;
        assert!(!answer.text.contains("zq9canary"), "{}", answer.text);
        let refused = problem(&answer, 422, "csv_invalid");
        assert!(refused["problems"][0]["reason"].as_str().unwrap().contains(says), "{refused}");
    }
    assert!(api.get("/v1/datasets/visits").await.expect(200)["rows"].is_null());
    // Where rows are the unit nobody's column is expected.
    api.post("/v1/datasets", &declared("rows", json!({"kind": "row"}))).await.expect(201);
    let refused = problem(&api.upload("rows", "patient_id,age,ward,ill\n1,20,a,no\n").await, 422, "csv_invalid");
    assert!(refused["problems"][0]["reason"].as_str().unwrap().contains("not a declared column"), "{refused}");
}

/// Nothing of an identifier is stored; a person is held out whole; the same table uploaded again
/// cannot be linked to the first upload.
#[tokio::test]
async fn what_is_stored_are_pseudonyms_and_whole_persons() {
    let api = TestApi::open().await;
    let mut body = declared("visits", json!({"kind": "person", "column": "patient_id", "max_rows": 4}));
    body["holdout"] = json!(0.5);
    api.post("/v1/datasets", &body).await.expect(201);
    let csv = visits(120);
    let schema = Declaration::from_json(&clinic()).unwrap().schema;
    for _ in 0..2 {
        assert_eq!(api.upload("visits", csv.clone()).await.expect(201)["rows"], 420);
    }
    let uploads = uploaded(&api).await;
    let mut seen: HashMap<[u8; 16], usize> = HashMap::new();
    for bytes in &uploads {
        assert!(!bytes.windows(9).any(|window| window == b"zq9canary"));
        let (mut reader, mut codes) = (RowsReader::new(&bytes[..], &schema).unwrap(), Vec::new());
        let mut of: HashMap<[u8; 16], (bool, usize)> = HashMap::new();
        while let Some(mark) = reader.next(&mut codes).unwrap() {
            let person = of.entry(mark.person.unwrap()).or_insert((mark.held_out, 0));
            assert_eq!(person.0, mark.held_out, "a person on both sides");
            person.1 += 1;
        }
        let mut sizes = [0; 7];
        of.values().for_each(|(_, rows)| sizes[*rows] += 1);
        assert_eq!(sizes, [0, 20, 20, 20, 20, 20, 20]);
        let held_out = of.values().filter(|(held_out, _)| *held_out).count();
        // A binomial of 120 fair coins: five and a half deviations to each side.
        assert!((30..=90).contains(&held_out), "{held_out}");
        of.keys().for_each(|person| *seen.entry(*person).or_default() += 1);
        let rows = decode(&bytes[..], &schema, std::num::NonZeroU32::new(4)).unwrap();
        let all = |persons: usize| persons * (1 + 2 + 3 + 4 + 4 + 4);
        assert_eq!(rows.train.rows() + rows.held_out.rows(), all(20), "four rows of a person count");
    }
    assert_eq!(seen.len(), 240, "the same person has another pseudonym in every upload");
}

/// What the uploads became, in their order.
async fn uploaded(api: &TestApi) -> Vec<Vec<u8>> {
    let pool = &api.database.pool;
    let names: Vec<String> =
        sqlx::query_scalar("select blob from dataset_versions order by version").fetch_all(pool).await.unwrap();
    let mut found = Vec::new();
    for name in names {
        found.push(storage_of(api.folder()).read(&blob_named(pool, &name).await).unwrap());
    }
    found
}

#[tokio::test]
async fn a_table_of_persons_becomes_a_synthetic_table() {
    let api = TestApi::open().await;
    let unit = json!({"kind": "person", "column": "patient_id", "max_rows": 3, "persons_public": 400});
    api.post("/v1/datasets", &declared("visits", unit)).await.expect(201);
    api.upload("visits", visits(400)).await.expect(201);
    for (method, training) in [
        (json!({"stage1": "uniform"}), json!({"steps": 40})),
        (json!({}), json!({"public_steps": 40})),
        (json!({"stage1": "marginal", "stage2": "heads"}), json!({"public_steps": 40, "steps": 40})),
    ] {
        synthesised(
            &api,
            json!({"dataset": "visits", "epsilon": 0.5, "rows": 50, "method": method, "training": training}),
        )
        .await;
    }
    let ledger = api.get("/v1/datasets/visits/ledger").await.expect(200).to_string();
    assert!(ledger.contains("person") && !ledger.contains("zq9canary"));
}

/// A job on the first three rows of each of 400 persons.
async fn synthesised(api: &TestApi, request: Value) {
    let estimate = api.post("/v1/estimates", &request).await.expect(200);
    let job = api.post("/v1/jobs", &request).await.expect(202);
    assert_eq!(job["plan"]["persons"], json!({"persons_public": 360, "max_rows": 3}), "a tenth is held out");
    assert_eq!(estimate["sampling_rate"], job["plan"]["private"]["rate"]);
    assert_eq!(estimate["measure"], job["plan"]["measure"]);
    let _worker = api.worker(10.0);
    let id = job["id"].as_str().unwrap();
    let job = api.job_until(id, Duration::from_secs(120), |j| j["finished_at"].is_string()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let table = api.get(&format!("/v1/jobs/{id}/synthetic")).await.text;
    let told = content(&api.get(&format!("/v1/jobs/{id}/certificate")).await.text);
    assert_eq!(
        (&told["guarantee"]["unit"], &told["guarantee"]["person"]["column"]),
        (&json!("person"), &json!("patient_id"))
    );
    assert!(told["promises"][0].as_str().unwrap().contains("one person"), "{told}");
    assert!(!told.to_string().contains("zq9canary"));
    assert!(table.starts_with("age,ward,ill\n") && table.lines().count() == 51, "{table}");
    let report = api.get(&format!("/v1/jobs/{id}/report")).await.expect(200);
    let rows = report["rows"]["training"].as_u64().unwrap() + report["rows"]["held_out"].as_u64().unwrap();
    assert_eq!(rows, 67 + 67 * 2 + 266 * 3, "the first three rows of each of 400 persons");
}
