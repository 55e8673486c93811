//! S2: tenants are kept from each other. What is another tenant's answers as what does not exist.

use std::time::Duration;

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi, clinic};

/// An API with two tenants, and what one of them has.
struct House {
    api: TestApi,
    /// Admin keys: of whoever has something, and of the other one.
    owner: String,
    stranger: String,
    /// Ids of the owner's.
    dataset: String,
    population: String,
    done: String,
    queued: String,
    key: String,
}

impl House {
    async fn new() -> Self {
        let api = TestApi::start(false, UploadLimits::default()).await;
        let (owner, stranger) = (api.token(Role::Admin).await, api.token_of(Role::Admin, "other").await);
        let mut house = Self {
            api,
            owner,
            stranger,
            dataset: String::new(),
            population: String::new(),
            done: String::new(),
            queued: String::new(),
            key: String::new(),
        };
        let owner = house.owner.clone();
        house.dataset = house.declare(&owner, "clinic").await;
        let budget = house.ask(&owner, Method::GET, "/v1/datasets/clinic/budget", None).await.expect(200);
        house.population = budget["population"].as_str().unwrap().to_owned();
        house.done = house.submit(&owner, "one").await;
        let worker = house.api.worker(10.0);
        loop {
            let path = format!("/v1/jobs/{}?wait=20", house.done);
            let job = house.ask(&owner, Method::GET, &path, None).await.expect(200);
            if job["finished_at"].is_string() {
                assert_eq!(job["status"], "succeeded", "{job}");
                break;
            }
        }
        worker.kill();
        house.queued = house.submit(&owner, "two").await;
        let key = house.ask(&owner, Method::POST, "/v1/keys", Some(json!({"role": "analyst"}))).await.expect(201);
        house.key = key["id"].as_str().unwrap().to_owned();
        house
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.api.request(method, path).bearer_auth(token);
        self.api
            .send(match body {
                Some(body) => request.json(&body),
                None => request,
            })
            .await
    }

    /// A dataset of 300 rows.
    async fn declare(&self, token: &str, name: &str) -> String {
        let body = json!({"name": name, "schema": clinic(), "rows_public": 300,
                          "budget": {"epsilon": 5.0, "delta": 1e-6}});
        let made = self.ask(token, Method::POST, "/v1/datasets", Some(body)).await.expect(201);
        let rows: String = (0..300).map(|i| format!("{},{},no\n", 18 + i % 80, ["a", "b", "c"][i % 3])).collect();
        let put = self.api.request(Method::PUT, &format!("/v1/datasets/{name}/rows")).bearer_auth(token);
        let put = put.header("content-type", "text/csv").body(format!("age,ward,ill\n{rows}"));
        self.api.send(put).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// A job on `clinic`, with this idempotency key.
    async fn submit(&self, token: &str, key: &str) -> String {
        let body = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 50});
        let request = self.api.request(Method::POST, "/v1/jobs").bearer_auth(token).header("idempotency-key", key);
        let job = self.api.send(request.json(&body)).await.expect(202);
        job["id"].as_str().unwrap().to_owned()
    }

    /// What the stranger hears, without what differs from request to request.
    async fn heard(&self, method: &Method, path: &str) -> (u16, Value) {
        let request = self.api.request(method.clone(), path).bearer_auth(&self.stranger);
        let answer = self.api.send(body_for(method, path, request)).await;
        let mut body = answer.json();
        if let Some(object) = body.as_object_mut() {
            object.remove("request_id");
        }
        (answer.status.as_u16(), body)
    }
}

/// A good body for a route.
fn body_for(method: &Method, path: &str, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    match (method.as_str(), path.rsplit('/').next().unwrap()) {
        ("PUT", "rows") => request.header("content-type", "text/csv").body("age,ward,ill\n20,a,no\n"),
        ("PUT", "retention") => request.json(&json!({"rows_days": 1, "results_days": null})),
        ("POST", "budget") => request.json(&json!({"epsilon": 6.0})),
        ("POST", "samples") => request.json(&json!({"rows": 2})),
        _ => request,
    }
}

/// Every route that names something, with every foreign id and name: 404, word for word as for an id that nobody has.
#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let house = House::new().await;
    let document = house.api.get("/openapi.json").await.expect(200);
    let nobody = "01a20000-0000-7000-8000-000000000000";
    let (mut asked, mut own) = (0, Vec::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        let ids: &[(&str, &str)] = match path {
            path if path.contains("{dataset}") => &[("{dataset}", &house.dataset), ("{dataset}", "clinic")],
            path if path.contains("{job}") => &[("{job}", &house.done), ("{job}", &house.queued)],
            path if path.contains("{key}") => &[("{key}", &house.key)],
            _ => continue,
        };
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            for (place, id) in ids {
                let foreign = house.heard(&method, &path.replace(place, id)).await;
                let absent = if *place == "{key}" { "0123456789ab" } else { nobody };
                assert_eq!(foreign, house.heard(&method, &path.replace(place, absent)).await, "{method} {path} {id}");
                assert_eq!((foreign.0, &foreign.1["code"]), (404, &json!("not_found")), "{method} {path} {id}");
                own.push((method.clone(), path.replace(place, id)));
                asked += 1;
            }
        }
    }
    assert!(asked >= 30, "{asked}");
    // All of it is there for its owner: reads first, what destroys last.
    own.sort_by_key(|(method, path)| (*method == Method::DELETE, *method != Method::GET, path.contains("cancel")));
    let mut found = 0;
    for (method, path) in own.iter().filter(|(method, _)| *method != Method::DELETE) {
        let request = house.api.request(method.clone(), path).bearer_auth(&house.owner);
        // A stream of events has no end.
        let status = body_for(method, path, request).send().await.unwrap().status().as_u16();
        assert!([200, 201, 202, 409].contains(&status), "{method} {path}: {status}");
        found += usize::from(status != 409);
    }
    assert!(found >= 20, "{found}");
}

/// What bodies, queries and cursors name.
#[tokio::test]
async fn nothing_foreign_is_reached_by_bodies_and_queries() {
    let house = House::new().await;
    let stranger = house.stranger.clone();
    let post = async |path: &str, body: Value| house.ask(&stranger, Method::POST, path, Some(body)).await;
    for name in ["clinic", &house.dataset] {
        let job = json!({"dataset": name, "epsilon": 0.5});
        problem(&post("/v1/jobs", job.clone()).await, 404, "not_found");
        problem(&post("/v1/estimates", job).await, 404, "not_found");
        for path in [format!("/v1/jobs?dataset={name}"), format!("/v1/audit?object={name}")] {
            let answer = house.ask(&stranger, Method::GET, &path, None).await;
            match answer.status.as_u16() {
                404 => {}
                // The id of anything may be asked for; there is nothing about this one.
                200 => assert_eq!(answer.json()["items"], json!([]), "{path}"),
                other => panic!("{path}: {other}"),
            }
        }
    }
    let shared = json!({"name": "mine", "schema": clinic(), "rows_public": 10, "population": house.population});
    problem(&post("/v1/datasets", shared).await, 404, "not_found");
    for list in ["/v1/datasets", "/v1/jobs", &format!("/v1/jobs?cursor={}", house.queued)] {
        let listed = house.ask(&stranger, Method::GET, list, None).await.expect(200);
        assert_eq!(listed["items"], json!([]), "{list}");
    }
    let keys = house.ask(&stranger, Method::GET, "/v1/keys", None).await.expect(200);
    assert!(keys["items"].as_array().unwrap().iter().all(|key| key["tenant"] == "other"), "{keys}");
    let audit = house.ask(&stranger, Method::GET, "/v1/audit?limit=200", None).await.expect(200);
    let lines = audit["items"].as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["tenant"] == "other"), "{audit}");
    assert!(lines.iter().all(|line| line["completed_at"].is_string()), "its own are seen to their end: {audit}");
    problem(&house.ask(&stranger, Method::GET, "/v1/audit/chain", None).await, 403, "forbidden");
    problem(&house.ask(&house.owner, Method::GET, "/v1/audit/chain", None).await, 403, "forbidden");
    problem(&post("/v1/keys", json!({"role": "admin", "tenant": "default"})).await, 403, "forbidden");
    let made = post("/v1/keys", json!({"role": "admin"})).await.expect(201);
    assert_eq!(made["tenant"], "other");
    // Workers are everybody's; what they are at is not.
    sqlx::query("insert into workers (name, host, pid, device, threads, version, job_id) values ('w', 'h', 1, 'cpu', 1, 'v', $1)")
        .bind(uuid::Uuid::parse_str(&house.done).unwrap())
        .execute(&house.api.database.pool)
        .await
        .unwrap();
    for (token, seen) in [(&stranger, Value::Null), (&house.owner, json!(house.done))] {
        let workers = house.ask(token, Method::GET, "/v1/workers", None).await.expect(200);
        let worker = workers["items"].as_array().unwrap().iter().find(|worker| worker["name"] == "w").unwrap().clone();
        assert_eq!((&worker["state"], &worker["job"]), (&json!("working"), &seen));
    }
}

/// Names and idempotency keys are each tenant's own, and so is what they stand for.
#[tokio::test]
async fn two_tenants_may_say_the_same() {
    let house = House::new().await;
    let (owner, stranger) = (house.owner.clone(), house.stranger.clone());
    let budget =
        async |token: &str| house.ask(token, Method::GET, "/v1/datasets/clinic/budget", None).await.expect(200);
    let before = budget(&owner).await;
    let theirs = house.declare(&stranger, "clinic").await;
    assert_ne!(theirs, house.dataset);
    let job = house.submit(&stranger, "one").await;
    assert_ne!(job, house.done, "the key of another is another key");
    assert_eq!(house.submit(&stranger, "one").await, job);
    assert_eq!(budget(&owner).await, before);
    assert_eq!(budget(&stranger).await["reserved"].as_f64().map(|share| share > 0.0), Some(true));
    let listed = house.ask(&stranger, Method::GET, "/v1/jobs", None).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["queue_position"], 1, "the owner's job waits in a line of its own");
    house.ask(&stranger, Method::POST, &format!("/v1/jobs/{job}/cancel"), None).await.expect(202);
    house.ask(&stranger, Method::DELETE, "/v1/datasets/clinic", None).await.expect(204);
    house.ask(&owner, Method::GET, "/v1/datasets/clinic", None).await.expect(200);
    // A worker serves everyone.
    let again = house.declare(&stranger, "second").await;
    let body = json!({"dataset": again, "epsilon": 0.5, "rows": 50});
    let job = house.ask(&stranger, Method::POST, "/v1/jobs", Some(body)).await.expect(202);
    let path = format!("/v1/jobs/{}?wait=20", job["id"].as_str().unwrap());
    let _worker = house.api.worker(10.0);
    let began = std::time::Instant::now();
    let ended = loop {
        let job = house.ask(&stranger, Method::GET, &path, None).await.expect(200);
        if job["finished_at"].is_string() {
            break job;
        }
        assert!(began.elapsed() < Duration::from_secs(100), "{job}");
    };
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let table = format!("/v1/jobs/{}/synthetic", ended["id"].as_str().unwrap());
    assert_eq!(house.ask(&stranger, Method::GET, &table, None).await.text.lines().count(), 51);
    problem(&house.ask(&owner, Method::GET, &table, None).await, 404, "not_found");
}
