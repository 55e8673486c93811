//! Pages: who sees which, what is in them, and who gets in.

mod entrance;
mod looks;
mod speed;
mod views;

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, TestApi, clinic};

/// A client as browsers are, except that it goes nowhere by itself.
fn browser() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}

/// Somebody who is signed in.
pub struct Person<'a> {
    api: &'a TestApi,
    client: reqwest::Client,
    /// The cookie as it is sent.
    pub cookie: String,
    /// What pages say that scripts must repeat.
    pub token: String,
}

/// The form of the page where one signs in, sent as a page of the server does.
async fn knock(api: &TestApi, key: &str, next: &str) -> Answer {
    let form = format!("key={key}&next={}", next.replace('/', "%2F").replace('?', "%3F"));
    let request = browser().post(format!("{}/sign-in", api.base)).header("origin", &api.base);
    api.send(request.header("content-type", "application/x-www-form-urlencoded").body(form)).await
}

/// What comes before the first `;` of the cookie that an answer sets.
fn cookie_of(answer: &Answer) -> String {
    answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

impl<'a> Person<'a> {
    pub async fn signed_in(api: &'a TestApi, key: &str) -> Self {
        let answer = knock(api, key, "/").await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let mut person = Self { api, client: browser(), cookie: cookie_of(&answer), token: String::new() };
        let page = person.get("/").await.text;
        let token = page.split("name=\"form-token\" content=\"").nth(1).expect("a token");
        person.token = token.split('"').next().unwrap().to_owned();
        person
    }

    /// A request with the cookie alone, as any site could have a browser send it.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.api.base)).header("cookie", &self.cookie)
    }

    /// A request as scripts of our pages send it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("origin", &self.api.base).header("x-form-token", &self.token)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.api.send(self.bare(Method::GET, path)).await
    }
}

/// A server with a dataset and two jobs, one that succeeded and one that failed, and a key of each role, among them an
/// admin of another tenant.
struct House {
    api: TestApi,
    admin: String,
    custodian: String,
    analyst: String,
    stranger: String,
    dataset: String,
    jobs: [String; 2],
    sha256: String,
}

/// Rows of the upload, which are not what is declared.
const ROWS: usize = 1237;

impl House {
    async fn new() -> Self {
        Self::named("clinic", clinic()).await
    }

    /// With a dataset of this name and schema, whose first columns are those of the clinic.
    async fn named(name: &str, schema: Value) -> Self {
        let api = TestApi::start(false, UploadLimits::default()).await;
        let admin = api.token(Role::Admin).await;
        let (custodian, analyst) = (api.token(Role::Custodian).await, api.token(Role::Analyst).await);
        let stranger = api.token_of(Role::Admin, "elsewhere").await;
        let ask = |method: Method, path: String| {
            api.request(method, &path).header("authorization", format!("Bearer {custodian}"))
        };
        let header: Vec<String> = schema["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| format!("\"{}\"", column["name"].as_str().unwrap().replace('"', "\"\"")))
            .collect();
        let row: Vec<String> = schema["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| match &column["categories"] {
                Value::Array(names) => format!("\"{}\"", names[0].as_str().unwrap().replace('"', "\"\"")),
                _ => column["min"].to_string(),
            })
            .collect();
        let declared =
            json!({"name": name, "schema": schema, "rows_public": 1000, "budget": {"epsilon": 3.0, "delta": 1e-6}});
        let dataset = api.send(ask(Method::POST, "/v1/datasets".into()).json(&declared)).await.expect(201);
        let dataset = dataset["id"].as_str().unwrap().to_owned();
        let csv = format!("{}\n{}", header.join(","), format!("{}\n", row.join(",")).repeat(ROWS));
        let upload =
            ask(Method::PUT, format!("/v1/datasets/{dataset}/rows")).header("content-type", "text/csv").body(csv);
        let sha256 = api.send(upload).await.expect(201)["sha256"].as_str().unwrap().to_owned();
        let mut jobs = Vec::new();
        for (status, error) in [("succeeded", None), ("failed", Some("worker_lost"))] {
            let job = json!({"dataset": dataset, "epsilon": 0.5});
            let job = api.send(ask(Method::POST, "/v1/jobs".into()).json(&job)).await.expect(202);
            let id: uuid::Uuid = job["id"].as_str().unwrap().parse().unwrap();
            for change in [
                "update jobs set status = 'running', lease_expires_at = now(), attempts = 7, stage = 'stage1', step = 10,
                                 steps = 30, stage_first_step = 0, stage_started_at = now(), started_at = now() where id = $1",
                "update jobs set status = $2, error = $3, finished_at = now(), lease_expires_at = null where id = $1",
            ] {
                let mut change_ = sqlx::query(change).bind(id);
                if change.contains("$2") {
                    change_ = change_.bind(status).bind(error);
                }
                change_.execute(&api.database.pool).await.unwrap();
            }
            jobs.push(id.to_string());
        }
        let jobs = [jobs.remove(0), jobs.remove(0)];
        Self { api, admin, custodian, analyst, stranger, dataset, jobs, sha256 }
    }

    /// Every page, with the least role that has it.
    fn pages(&self) -> Vec<(String, Role)> {
        let mut pages = vec![("/".to_owned(), Role::Analyst), ("/jobs".into(), Role::Analyst)];
        pages.push((format!("/datasets/{}", self.dataset), Role::Analyst));
        pages.extend(self.jobs.iter().map(|job| (format!("/jobs/{job}"), Role::Analyst)));
        pages.extend([
            ("/upload".into(), Role::Custodian),
            ("/workers".into(), Role::Admin),
            ("/audit".into(), Role::Admin),
        ]);
        pages
    }
}
