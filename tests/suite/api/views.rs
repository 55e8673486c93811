//! What an analyst sees: nothing that is exact about private rows.

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi, clinic};

struct House {
    api: TestApi,
    custodian: String,
    analyst: String,
}

impl House {
    async fn new() -> Self {
        let api = TestApi::start(false, UploadLimits::default()).await;
        let (custodian, analyst) = (api.token(Role::Custodian).await, api.token(Role::Analyst).await);
        Self { api, custodian, analyst }
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.api.request(method, path).header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.api.send(request).await
    }

    async fn read(&self, token: &str, path: &str) -> Answer {
        self.ask(token, Method::GET, path, None).await
    }

    /// A table of 1,237 rows that is declared with 1,000; a finished job, a failed one.
    async fn fill(&self) -> (String, String, Value) {
        let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 1000,
                              "budget": {"epsilon": 3.0, "delta": 1e-6}});
        self.ask(&self.custodian, Method::POST, "/v1/datasets", Some(declared)).await.expect(201);
        let csv = format!("age,ward,ill\n{}", "20,a,no\n".repeat(1237));
        let request = self.api.request(Method::PUT, "/v1/datasets/clinic/rows").header("content-type", "text/csv");
        let request = request.header("authorization", format!("Bearer {}", self.custodian)).body(csv);
        let version = self.api.send(request).await.expect(201);
        let mut ids = Vec::new();
        for (status, error) in [("succeeded", None), ("failed", Some("worker_lost"))] {
            let job = json!({"dataset": "clinic", "epsilon": 0.5, "training": {"steps": 30}});
            let job = self.ask(&self.analyst, Method::POST, "/v1/jobs", Some(job)).await.expect(202);
            let id: uuid::Uuid = job["id"].as_str().unwrap().parse().unwrap();
            let run = "update jobs set status = 'running', lease_expires_at = now(), attempts = 7,
                              stage = 'stage2', step = 10, steps = 30, stage_first_step = 0,
                              stage_started_at = now() - interval '777 s', started_at = now() where id = $1";
            sqlx::query(run).bind(id).execute(&self.api.database.pool).await.unwrap();
            let end =
                "update jobs set status = $2, error = $3, finished_at = now(), lease_expires_at = null where id = $1";
            let end = sqlx::query(end).bind(id).bind(status).bind(error);
            end.execute(&self.api.database.pool).await.unwrap();
            ids.push(id.to_string());
        }
        let failed = ids.pop().unwrap();
        (ids.pop().unwrap(), failed, version)
    }
}

#[tokio::test]
async fn analysts_see_nothing_exact() {
    let house = House::new().await;
    let (done, failed, version) = house.fill().await;
    let secrets = ["1237", "worker_lost", version["sha256"].as_str().unwrap(), "attempts\":7"];
    let mut paths = vec!["/v1/datasets".to_owned(), "/v1/datasets/clinic".into(), "/v1/jobs".into()];
    paths.extend(["budget", "ledger"].map(|what| format!("/v1/datasets/clinic/{what}")));
    paths.extend([&done, &failed].map(|id| format!("/v1/jobs/{id}")));
    paths.extend(["report", "synthetic"].map(|what| format!("/v1/jobs/{done}/{what}")));
    paths.extend(["report", "synthetic"].map(|what| format!("/v1/jobs/{failed}/{what}")));
    let mut leaked = 0;
    for path in &paths {
        let answer = house.read(&house.analyst, path).await;
        for secret in secrets {
            assert!(!answer.text.contains(secret), "{path} tells {secret}: {}", answer.text);
        }
        let exact = house.read(&house.custodian, path).await;
        leaked += secrets.iter().filter(|secret| exact.text.contains(**secret)).count();
    }
    assert!(leaked > 5, "the custodian sees them");
    let job = house.read(&house.analyst, &format!("/v1/jobs/{failed}")).await.expect(200);
    assert_eq!(job["error"], "job_failed", "one code, whatever happened");
    assert!(job.get("attempts").is_none() && job["progress"]["eta_seconds"].is_null());
    let exact = house.read(&house.custodian, &format!("/v1/jobs/{failed}")).await.expect(200);
    assert_eq!((exact["error"].as_str(), exact["attempts"].as_u64()), (Some("worker_lost"), Some(7)));
    let report = house.read(&house.analyst, &format!("/v1/jobs/{done}/report")).await.expect(200);
    assert_eq!((report["view"].as_str(), report["rows"].as_u64()), (Some("released"), Some(1000)));
}

#[tokio::test]
async fn a_view_may_be_asked_for() {
    let house = House::new().await;
    let (done, failed, _) = house.fill().await;
    for path in [format!("/v1/jobs/{failed}"), "/v1/jobs".into(), "/v1/datasets".into(), "/v1/datasets/clinic".into()] {
        let asked = |view: &str| format!("{path}?view={view}");
        problem(&house.read(&house.analyst, &asked("custodian")).await, 403, "forbidden");
        problem(&house.read(&house.custodian, &asked("other")).await, 422, "request_invalid");
        let released = house.read(&house.analyst, &asked("released")).await.expect(200);
        assert_eq!(house.read(&house.custodian, &asked("released")).await.expect(200), released);
        let exact = house.read(&house.custodian, &asked("custodian")).await.expect(200);
        assert_eq!(house.read(&house.custodian, &path).await.expect(200), exact, "the most that a key may see");
        assert_ne!(exact, released);
    }
    let report = format!("/v1/jobs/{done}/report?view=custodian");
    problem(&house.read(&house.analyst, &report).await, 403, "forbidden");
    let released = house.read(&house.custodian, &format!("/v1/jobs/{done}/report?view=released")).await.expect(200);
    assert_eq!(released["view"], "released");
}
