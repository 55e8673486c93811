//! For how long things are kept, as custodians, analysts and data-protection officers meet it.

use std::time::{Duration, Instant};

use dp2stage::store::{self, Retention, Role, Term};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::refusal::{files, problem};
use crate::support::{Answer, Server, TestApi, blob_named, clinic, fresh_database, scratch, storage_of};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUSE: Retention = Retention { rows: Term { days: 40, most: 400 }, results: Term { days: 0, most: 0 } };

/// Sends with a key.
async fn send(api: &TestApi, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = api.request(method, path).header("authorization", format!("Bearer {token}"));
    api.send(body.iter().fold(request, |request, body| request.json(body))).await
}

fn moment(text: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(text.as_str().unwrap_or_else(|| panic!("{text}")), &Rfc3339).unwrap()
}

/// Said with the declaration, seen by everybody, changed by custodians alone; and what goes when is told.
#[tokio::test]
async fn days_are_said_and_shown() {
    let api = TestApi::keeping(false, HOUSE).await;
    let [analyst, custodian] = [api.token(Role::Analyst).await, api.token(Role::Custodian).await];
    let mut declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 10,
                              "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let made = send(&api, &custodian, Method::POST, "/v1/datasets", Some(declared.clone())).await.expect(201);
    let shown = &made["retention"];
    assert_eq!((&shown["rows_days"], &shown["results_days"]), (&json!(40), &Value::Null), "{shown}");
    assert_eq!((&shown["most_rows_days"], &shown["most_results_days"]), (&json!(400), &Value::Null));
    assert_eq!((&shown["rows_until"], &shown["chosen"]["rows_days"]), (&Value::Null, &Value::Null));
    let csv = api.request(Method::PUT, "/v1/datasets/clinic/rows").header("content-type", "text/csv");
    let csv = csv.header("authorization", format!("Bearer {custodian}")).body("age,ward,ill\n20,a,no\n");
    let uploaded = moment(&api.send(csv).await.expect(201)["created_at"]);
    let path = "/v1/datasets/clinic/retention";
    let choice = json!({"rows_days": 5, "results_days": 7});
    problem(&send(&api, &analyst, Method::PUT, path, Some(choice.clone())).await, 403, "forbidden");
    let gone = send(&api, &custodian, Method::PUT, "/v1/datasets/none/retention", Some(choice.clone())).await;
    problem(&gone, 404, "not_found");
    let before = send(&api, &custodian, Method::GET, "/v1/datasets/clinic", None).await;
    assert_eq!(moment(&before.json()["retention"]["rows_until"]), uploaded + 40 * DAY);
    for (choice, days) in [
        (choice, (json!(5), json!(7))),
        (json!({"rows_days": 400, "results_days": 0}), (json!(400), Value::Null)),
        (json!({"rows_days": null, "results_days": null}), (json!(40), Value::Null)),
    ] {
        let chosen = send(&api, &custodian, Method::PUT, path, Some(choice.clone())).await.expect(200);
        let read = send(&api, &custodian, Method::GET, "/v1/datasets/clinic", None).await.expect(200);
        assert_eq!(chosen, read);
        let shown = &read["retention"];
        assert_eq!((shown["rows_days"].clone(), shown["results_days"].clone()), days, "{shown}");
        assert_eq!(shown["chosen"], choice);
        let until = uploaded + days.0.as_u64().unwrap() as u32 * DAY;
        assert_eq!(moment(&shown["rows_until"]), until);
        // When rows were uploaded is the custodian's to know, and so is until when they are kept.
        let released = send(&api, &analyst, Method::GET, "/v1/datasets/clinic", None).await.expect(200);
        assert_eq!(
            (&released["retention"]["rows_days"], &released["retention"]["rows_until"]),
            (&days.0, &Value::Null)
        );
    }
    declared["name"] = json!("other");
    declared["retention"] = json!({"rows_days": 3, "results_days": 0});
    let made = send(&api, &custodian, Method::POST, "/v1/datasets", Some(declared)).await.expect(201);
    assert_eq!(made["retention"]["chosen"], json!({"rows_days": 3, "results_days": 0}));
    let told = "select method, route, array_length(objects, 1) from audit_entries where route like '%retention'";
    let told: Vec<(String, String, Option<i32>)> = sqlx::query_as(told).fetch_all(&api.database.pool).await.unwrap();
    let put = |objects| ("PUT".to_owned(), "/v1/datasets/{dataset}/retention".to_owned(), objects);
    assert_eq!(told, [put(Some(1)), put(None), put(Some(1)), put(Some(1)), put(Some(1))]);
}

async fn job(api: &TestApi, token: &str) -> String {
    let job = json!({"dataset": "clinic", "epsilon": 1.0, "rows": 20, "method": {"generator": "distribution"}});
    let job = send(api, token, Method::POST, "/v1/jobs", Some(job)).await.expect(202);
    job["id"].as_str().unwrap().to_owned()
}

/// The whole way: two jobs, one certificate, time passes, and what is left says so.
#[tokio::test]
async fn what_is_kept_no_longer_is_gone() {
    let api = TestApi::keeping(false, HOUSE).await;
    let [analyst, custodian, admin] =
        [api.token(Role::Analyst).await, api.token(Role::Custodian).await, api.token(Role::Admin).await];
    let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 400, "holdout": 0.5,
                          "budget": {"epsilon": 9.0, "delta": 1e-6}, "retention": {"rows_days": 30, "results_days": 60}});
    send(&api, &custodian, Method::POST, "/v1/datasets", Some(declared)).await.expect(201);
    let row = |i: usize| format!("{},{},{}\n", 20 + i % 60, ["a", "b"][i % 2], ["no", "yes"][i % 2]);
    let csv = api.request(Method::PUT, "/v1/datasets/clinic/rows").header("content-type", "text/csv");
    let csv = csv.header("authorization", format!("Bearer {custodian}"));
    api.send(csv.body(format!("age,ward,ill\n{}", (0..400).map(row).collect::<String>()))).await.expect(201);
    let jobs = [job(&api, &analyst).await, job(&api, &analyst).await];
    let _worker = api.worker(10.0);
    let began = Instant::now();
    for id in &jobs {
        while send(&api, &custodian, Method::GET, &format!("/v1/jobs/{id}?wait=20"), None).await.json()["status"]
            != "succeeded"
        {
            assert!(began.elapsed() < Duration::from_secs(120), "not yet");
        }
    }
    let read = async |token: &str, path: &str| send(&api, token, Method::GET, path, None).await;
    let of = |id: &str, what: &str| format!("/v1/jobs/{id}/{what}");
    let certificate = read(&analyst, &of(&jobs[0], "certificate")).await;
    assert_eq!(certificate.status, 200);
    let table = read(&analyst, &of(&jobs[0], "synthetic")).await;
    let ledger = read(&analyst, "/v1/datasets/clinic/ledger").await.expect(200);
    let shown = read(&custodian, "/v1/datasets/clinic").await.expect(200)["retention"].clone();
    let first = read(&analyst, &format!("/v1/jobs/{}", jobs[0])).await.expect(200)["finished_at"].clone();
    let late = moment(&shown["results_until"]) - moment(&first) - 60 * DAY;
    assert!(late.abs() < time::Duration::seconds(60), "{shown} {first}");

    let (pool, blobs) = (&api.database.pool, storage_of(api.folder()));
    let sweep = async |days: u32| store::sweep_due(pool, &blobs, &HOUSE, days * DAY).await.unwrap();
    let swept = sweep(31).await;
    assert_eq!((swept.uploads, swept.jobs), (1, 0));
    let refused =
        send(&api, &analyst, Method::POST, "/v1/jobs", Some(json!({"dataset": "clinic", "epsilon": 0.1}))).await;
    let body = problem(&refused, 409, "state_conflict");
    assert!(body["detail"].as_str().unwrap().contains("has no rows"), "{body}");
    assert_eq!(read(&analyst, &of(&jobs[0], "synthetic")).await.text, table.text);
    read(&custodian, &of(&jobs[0], "report")).await.expect(200);
    let swept = sweep(61).await;
    assert_eq!((swept.uploads, swept.jobs), (0, 2));
    assert_eq!(files(&api), 0, "nothing lies in the storage any more");

    for (token, what) in [
        (&analyst, "synthetic"),
        (&analyst, "synthetic?raw=true&rows=3"),
        (&analyst, "report"),
        (&custodian, "report"),
        (&custodian, "report?view=released"),
    ] {
        let gone = read(token, &of(&jobs[0], what)).await;
        let body = problem(&gone, 410, "gone");
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains("kept for 60 days") && detail.contains("destroyed on 20"), "{body}");
    }
    let page = api.request(Method::GET, &of(&jobs[0], "report")).header("accept", "text/html");
    let page = page.header("authorization", format!("Bearer {custodian}"));
    problem(&api.send(page).await, 410, "gone");
    let tagged = api.request(Method::GET, &of(&jobs[0], "synthetic")).header("if-none-match", &table.headers["etag"]);
    problem(&api.send(tagged.header("authorization", format!("Bearer {analyst}"))).await, 410, "gone");
    problem(&send(&api, &analyst, Method::POST, &of(&jobs[0], "samples"), Some(json!({"rows": 3}))).await, 410, "gone");
    // What was said stays; what nobody had asked for cannot be said any more.
    assert_eq!(read(&analyst, &of(&jobs[0], "certificate")).await.text, certificate.text);
    problem(&read(&analyst, &of(&jobs[1], "certificate")).await, 410, "gone");
    assert_eq!(read(&analyst, "/v1/datasets/clinic/ledger").await.expect(200), ledger);
    for token in [&analyst, &custodian] {
        assert_eq!(read(token, &format!("/v1/jobs/{}", jobs[1])).await.expect(200)["status"], "succeeded");
        read(token, "/v1/datasets/clinic/comparison").await.expect(200);
        read(token, &of(&jobs[0], "events")).await.expect(200);
    }
    let shown = read(&custodian, "/v1/datasets/clinic").await.expect(200);
    assert!(shown["rows"].is_null() && shown["retention"]["results_until"].is_null(), "{shown}");
    assert!(
        shown["retention"]["rows_destroyed_at"].is_string() && shown["retention"]["results_destroyed_at"].is_string()
    );
    let told = read(&admin, &format!("/v1/audit?object={}", jobs[1])).await.expect(200)["items"][0].clone();
    let line = [&told["method"], &told["route"], &told["role"], &told["status"], &told["key"]];
    assert_eq!(line, [&json!("SWEEP"), &json!("retention"), &json!("operator"), &json!(200), &Value::Null]);
    assert_eq!(told["objects"].as_array().unwrap().len(), 3, "the dataset and both jobs: {told}");
    let other = api.token_of(Role::Admin, "other").await;
    assert!(!read(&other, "/v1/audit").await.text.contains("SWEEP"), "that is another tenant's");
}

/// Waits until the log says so many sweeps, and gives how many keys of blobs there are.
async fn told(pool: &PgPool, sweeps: i64) -> i64 {
    let began = Instant::now();
    loop {
        let count = "select count(*) from audit_entries where method = 'SWEEP'";
        if sqlx::query_scalar::<_, i64>(count).fetch_one(pool).await.unwrap() == sweeps {
            return sqlx::query_scalar("select count(*) from blob_keys").fetch_one(pool).await.unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not {sweeps} sweeps");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A server dies at either side of the commit of a sweep: before it, everything is as it was; after it, the blob is there
/// and opens no more, and the next server takes it away and tells of nothing twice.
#[tokio::test]
async fn a_server_that_dies_in_a_sweep_leaves_nothing_half() {
    let (database, folder) = (fresh_database().await, scratch());
    let pool = &database.pool;
    let server = Server::start(&database.url, folder.path(), &[]);
    let client = crate::support::client();
    let declared =
        json!({"name": "clinic", "schema": clinic(), "rows_public": 10, "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let made = client.post(format!("{}/v1/datasets", server.base)).json(&declared).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let upload = client.put(format!("{}/v1/datasets/clinic/rows", server.base)).header("content-type", "text/csv");
    assert_eq!(upload.body("age,ward,ill\n20,a,no\n").send().await.unwrap().status(), 201);
    server.stop();
    sqlx::query("update dataset_versions set created_at = now() - interval '31 days'").execute(pool).await.unwrap();
    let name: String = sqlx::query_scalar("select blob from dataset_versions").fetch_one(pool).await.unwrap();
    let (blob, path) = (blob_named(pool, &name).await, folder.path().join("blobs").join(&name));
    let long_ago = std::time::SystemTime::now() - 31 * DAY;
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    assert!(storage_of(folder.path()).read(&blob).is_ok());

    let days = ("DP2STAGE__RETENTION__ROWS_DAYS", "30");
    for (moment, sweeps, keys) in [("before", 0, 1), ("after", 1, 0)] {
        let failpoint = format!("sweep.{moment}=return(abort)");
        // It may die before it answers.
        let server = Server::attempt(&database.url, folder.path(), &[days, ("FAILPOINTS", &failpoint)]);
        if let Ok(mut server) = server {
            let began = Instant::now();
            while server.child.try_wait().unwrap().is_none() {
                assert!(began.elapsed() < Duration::from_secs(20), "it does not die {moment} the commit");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(told(pool, sweeps).await, keys, "{moment}");
        assert!(path.exists(), "{moment}");
    }
    assert!(storage_of(folder.path()).read(&blob_named(pool, &name).await).is_err());
    // Copies of the storage and the storage key are no help either: only a copy of the wrapped key would be.
    assert_eq!(
        sqlx::query_scalar::<_, Option<String>>("select blob from dataset_versions").fetch_one(pool).await.unwrap(),
        None
    );
    let server = Server::start(&database.url, folder.path(), &[days]);
    let began = Instant::now();
    while path.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "the blob stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told(pool, 1).await, 0);
    server.stop();
    store::verify_audit(pool).await.unwrap().unwrap();
}
