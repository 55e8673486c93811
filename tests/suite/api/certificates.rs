//! Certificates as an analyst and a third party meet them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dp2stage::store::{self, Role};
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, Server, TestApi, clinic, scratch};

/// `dp2stage verify` in a folder: whether it was content, and what it said.
fn verify(folder: &Path, arguments: &str) -> (bool, String) {
    let arguments = format!("verify {arguments}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dp2stage"));
    let output = command.args(arguments.split(' ')).current_dir(folder).env_remove("DATABASE_URL").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

/// What is signed.
pub fn content(certificate: &str) -> Value {
    let envelope: Value = serde_json::from_str(certificate).unwrap();
    serde_json::from_slice(&STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap()
}

/// Reads with a token.
async fn read(api: &TestApi, token: &str, path: &str) -> Answer {
    api.send(api.request(Method::GET, path).header("authorization", format!("Bearer {token}"))).await
}

/// 1,237 rows that are declared as 1,000, and keys for a custodian and an analyst.
async fn house() -> (TestApi, String, String, Value) {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let (custodian, analyst) = (api.token(Role::Custodian).await, api.token(Role::Analyst).await);
    let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 1000,
                          "budget": {"epsilon": 3.0, "delta": 1e-6}});
    let bearer = format!("Bearer {custodian}");
    let request = api.request(Method::POST, "/v1/datasets").header("authorization", &bearer).json(&declared);
    api.send(request).await.expect(201);
    let csv = format!("age,ward,ill\n{}", "20,a,no\n".repeat(1237));
    let request = api.request(Method::PUT, "/v1/datasets/clinic/rows").header("content-type", "text/csv");
    let version = api.send(request.header("authorization", &bearer).body(csv)).await.expect(201);
    (api, custodian, analyst, version)
}

async fn submit(api: &TestApi, token: &str, body: &Value) -> String {
    let request = api.request(Method::POST, "/v1/jobs").header("authorization", format!("Bearer {token}"));
    api.send(request.json(body)).await.expect(202)["id"].as_str().unwrap().to_owned()
}

async fn finished(api: &TestApi, token: &str, id: &str) -> Value {
    for _ in 0..1200 {
        let job = read(api, token, &format!("/v1/jobs/{id}")).await.expect(200);
        if job["status"] == "succeeded" {
            return job;
        }
        assert!(job["finished_at"].is_null(), "{job}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the job does not end");
}

#[tokio::test]
async fn a_third_party_checks_a_job() {
    let (api, custodian, analyst, version) = house().await;
    let body = json!({"dataset": "clinic", "epsilon": 1.0, "rows": 400, "method": {"generator": "distribution"}});
    let id = submit(&api, &analyst, &body).await;
    let path = format!("/v1/jobs/{id}/certificate");
    problem(&read(&api, &analyst, &path).await, 409, "state_conflict");
    let _worker = api.worker(10.0);
    let job = finished(&api, &analyst, &id).await;
    assert_eq!(job["links"]["certificate"], path);

    let (one, other) = tokio::join!(read(&api, &analyst, &path), read(&api, &custodian, &path));
    assert_eq!((one.status.as_u16(), &one.text), (200, &other.text), "issued once, the same for everybody");
    let told = content(&one.text);
    assert_eq!(told["job"]["id"], json!(id));
    assert_eq!(told["guarantee"]["unit"], "row");
    assert_eq!(told["guarantee"]["epsilon_planned"], job["epsilon"]["charged"]);
    let epsilon = told["guarantee"]["epsilon"].as_f64().unwrap();
    assert!(epsilon > 0.98 && epsilon <= 1.0, "{epsilon}");
    assert_eq!(told["mechanism"]["event"], job["plan"]["event"], "what is certified is what was planned and charged");
    assert_eq!(told["job"]["program"], json!(store::program()));
    assert!(told["mechanism"]["facts"]["opening"].as_str().unwrap().contains("ChaCha20"));
    // Nothing exact: not the number of rows, nor of those in training, nor a digest of them.
    let whole = told.to_string();
    assert!(!whole.contains(version["sha256"].as_str().unwrap()));
    let counts = version.as_object().unwrap().iter().filter_map(|(name, value)| Some((name, value.as_u64()?)));
    let counts: Vec<_> = counts.filter(|(_, count)| *count > 100 && *count != 1000 && *count != 400).collect();
    assert!(!counts.is_empty(), "there is something to be silent about: {version}");
    for (name, count) in counts {
        assert!(!numbers(&told).contains(&count), "{name} {count} in {whole}");
    }

    let folder = scratch();
    let save = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    save("certificate.json", &one.text);
    save("keys.json", &read(&api, &analyst, "/v1/certificate-keys").await.text);
    save("ledger.json", &read(&api, &analyst, "/v1/datasets/clinic/ledger").await.text);
    save("schema.json", &clinic().to_string());
    save("synthetic.csv", &read(&api, &analyst, &format!("/v1/jobs/{id}/synthetic")).await.text);
    let all = "--key keys.json --ledger ledger.json --schema schema.json --synthetic synthetic.csv";
    let (good, said) = verify(folder.path(), &format!("certificate.json {all}"));
    assert!(good && !said.contains("not checked") && !said.contains("NOT CHECKED"), "{said}");
    assert!(said.contains("Promised:") && said.contains("Not promised:") && said.contains("(3, 0.000001)"), "{said}");
    let (good, said) = verify(folder.path(), "certificate.json");
    assert!(good && said.contains("WHOSE KEY THAT IS WAS NOT CHECKED") && said.matches("not checked").count() == 3);
    let (good, said) = verify(folder.path(), "ledger.json");
    assert!(good && said.contains("entries are sound"), "a ledger goes on being one: {said}");

    tampering(folder.path(), &one.text);
}

/// Whole numbers anywhere in a document.
fn numbers(document: &Value) -> Vec<u64> {
    match document {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(members) => members.values().flat_map(numbers).collect(),
        other => other.as_u64().into_iter().collect(),
    }
}

/// Each way to tamper with what lies in a folder is told by name.
fn tampering(folder: &Path, certificate: &str) {
    let save = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let load = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let told = content(certificate);
    let mut changed: Value = serde_json::from_str(certificate).unwrap();
    let mut lie = told.clone();
    lie["guarantee"]["epsilon"] = json!(0.1);
    changed["payload"] = json!(STANDARD.encode(lie.to_string()));
    save("changed.json", &changed.to_string());
    save("schema2.json", &load("schema.json").replace("99", "98"));
    save("synthetic2.csv", &load("synthetic.csv").replacen("\n2", "\n3", 1));
    save("ledger2.json", &load("ledger.json").replacen("\"block\":0", "\"block\":1", 1));
    let other = dp2stage::privacy::SigningKey::from_seed(&[1; 32]).public().to_base64();
    for (arguments, words) in [
        ("changed.json --key keys.json".to_owned(), "the signature does not fit"),
        ("changed.json".to_owned(), "the signature does not fit"),
        (format!("certificate.json --key {other}"), "names another keyid"),
        ("certificate.json --key nonsense".to_owned(), "--key"),
        ("certificate.json --schema schema2.json".to_owned(), "schema2.json is not the schema"),
        ("certificate.json --synthetic synthetic2.csv".to_owned(), "synthetic2.csv is not the synthetic table"),
        ("certificate.json --ledger ledger2.json".to_owned(), "the ledger does not bear it out"),
        ("certificate.json --ledger certificate.json".to_owned(), "not a ledger"),
        ("ledger.json --key keys.json".to_owned(), "go with a certificate"),
        ("schema.json".to_owned(), "neither a ledger"),
    ] {
        let (good, said) = verify(folder, &arguments);
        assert!(!good && said.contains(words), "{arguments}: {said}");
        assert!(!said.contains("Promised:"), "{arguments}: {said}");
    }
}

/// After a rotation the old key is listed as retired, and what it signed still verifies.
#[tokio::test]
async fn old_certificates_outlive_their_key() {
    let api = TestApi::open().await;
    api.clinic(5.0, 200).await;
    let _worker = api.worker(10.0);
    let body = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 20, "method": {"generator": "distribution"}});
    let certify = async |api: &TestApi| {
        let id = api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
        api.job_until(&id, Duration::from_secs(120), |job| job["status"] == "succeeded").await;
        (format!("/v1/jobs/{id}/certificate"), api.get(&format!("/v1/jobs/{id}/certificate")).await.text)
    };
    let (path, old) = certify(&api).await;
    let output = Server::command(&api.database.url, api.folder(), &["key", "rotate-certificate"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("BEGIN PUBLIC KEY"), "{said}{output:?}");
    assert!(!said.contains("PRIVATE"));
    let api = api.restarted().await;
    assert_eq!(api.get(&path).await.text, old, "what was issued stays");
    let (_, new) = certify(&api).await;
    let id = |text: &str| content(text)["issuer"]["key_id"].as_str().unwrap().to_owned();
    assert_ne!(id(&old), id(&new));
    let keys = api.get("/v1/certificate-keys").await;
    let listed = keys.json()["keys"].as_array().unwrap().clone();
    let retired = |of: &str| listed.iter().find(|key| key["kid"] == id(of)).unwrap()["retired_at"].is_string();
    assert!(retired(&old) && !retired(&new), "{listed:?}");
    let folder = scratch();
    std::fs::write(folder.path().join("keys.json"), &keys.text).unwrap();
    for (name, text) in [("old.json", &old), ("new.json", &new)] {
        std::fs::write(folder.path().join(name), text).unwrap();
        let (good, said) = verify(folder.path(), &format!("{name} --key keys.json"));
        assert!(good, "{said}");
    }
}

/// A table whose texts look like formulas comes in two forms, and the certificate knows both.
#[tokio::test]
async fn both_forms_of_a_table_are_certified() {
    let api = TestApi::open().await;
    let schema = json!({"columns": [
        {"name": "=sum", "type": "integer", "min": -9, "max": 9},
        {"name": "ward", "type": "categorical", "categories": ["=1+1", "@b", "-c"]}]});
    let declared = json!({"name": "odd", "schema": schema, "rows_public": 200,
                          "budget": {"epsilon": 3.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    api.upload("odd", format!("=sum,ward\n{}", "-7,=1+1\n5,-c\n".repeat(100))).await.expect(201);
    let _worker = api.worker(10.0);
    let body = json!({"dataset": "odd", "epsilon": 1.0, "rows": 200, "method": {"generator": "distribution"}});
    let id = api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    api.job_until(&id, Duration::from_secs(120), |job| job["status"] == "succeeded").await;
    let text = async |what: &str| api.get(&format!("/v1/jobs/{id}/{what}")).await.text;
    let (default, raw) = (text("synthetic").await, text("synthetic?raw=true").await);
    assert!(default.starts_with("'=sum,ward\n") && raw.starts_with("=sum,ward\n"), "{default}");
    assert_eq!(default.replace('\'', ""), raw);
    let formula = |line: &str| line.split(',').nth(1).is_some_and(|cell| cell.starts_with(['=', '@', '-']));
    assert!(raw.lines().skip(1).all(formula) && !default.lines().any(formula));
    assert!(default.lines().any(|line| line.starts_with('-')), "numbers are numbers");
    let sample = async |raw: bool| {
        let answer = api.post(&format!("/v1/jobs/{id}/samples"), &json!({"rows": 50, "raw": raw})).await;
        answer.text.lines().filter(|line| formula(line)).count()
    };
    assert_eq!((sample(false).await, sample(true).await), (0, 50));

    let folder = scratch();
    let save = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    save("certificate.json", &text("certificate").await);
    save("default.csv", &default);
    save("raw.csv", &raw);
    save("other.csv", &default.replacen('\'', "", 1));
    for (file, good) in [("default.csv", true), ("raw.csv", true), ("other.csv", false)] {
        let (fits, said) = verify(folder.path(), &format!("certificate.json --synthetic {file}"));
        assert_eq!(fits, good, "{said}");
    }
    // What came out may go in again in either form.
    for form in [&default, &raw] {
        api.upload("odd", form.clone()).await.expect(201);
    }
}
