//! Who did what, as it is written for every write and every read of exact facts.

use std::time::{Duration, Instant};

use dp2stage::store::{self, Role};
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::refusal::{nothing_stored, problem};
use crate::support::{Server, TestApi, client, clinic, fresh_database, scratch};

/// The reads that are told of.
const READS: [&str; 4] = [
    "/v1/jobs/{job}/report",
    "/v1/jobs/{job}/attempts",
    "/v1/jobs/{job}/synthetic",
    "/v1/datasets/{dataset}/comparison",
];

/// What is told of a request: the status of each of its completions, and how often it was opened.
async fn told(pool: &PgPool, request: &str) -> (i64, Vec<Option<i32>>) {
    let opened = "select count(*) from audit_entries where request_id = $1";
    let ends = "select c.status from audit_entries o join audit_entries c on c.opened = o.seq where o.request_id = $1";
    let opened = sqlx::query_scalar(opened).bind(request).fetch_one(pool).await.unwrap();
    (opened, sqlx::query_scalar(ends).bind(request).fetch_all(pool).await.unwrap())
}

/// Waits until everything that was opened is completed.
async fn settled(pool: &PgPool) {
    let began = Instant::now();
    let open = "select count(*) from audit_entries o where o.opened is null
                and not exists (select from audit_entries c where c.opened = o.seq)";
    while sqlx::query_scalar::<_, i64>(open).fetch_one(pool).await.unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "something is still open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Every route that the document has, which is every route that there is: writes and the reads above leave exactly one
/// opening and one completion with the status of the answer, by every role, also when they are refused; other reads
/// leave nothing.
#[tokio::test]
async fn every_write_is_opened_once_and_completed_once() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let pool = &api.database.pool;
    let document = api.get("/openapi.json").await.expect(200);
    let (mut writes, mut reads, mut silent) = (0, 0, 0);
    for role in Role::ALL {
        let token = api.token(role).await;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys().filter(|_| path.starts_with("/v1")) {
                let place = ["{dataset}", "{job}", "{key}"].iter().fold(path.clone(), |at, name| at.replace(name, "x"));
                let id = format!("{}-{}", role.word(), writes + reads + silent);
                let request = api.request(method.to_uppercase().parse().unwrap(), &place);
                let request = request.header("authorization", format!("Bearer {token}")).header("x-request-id", &id);
                let answer = api.send(request).await;
                settled(pool).await;
                let exact = role >= Role::Custodian || path == "/v1/jobs/{job}/synthetic";
                if method != "get" {
                    writes += 1;
                } else if READS.contains(&path.as_str()) && exact {
                    reads += 1;
                } else {
                    silent += 1;
                    assert_eq!(told(pool, &id).await, (0, vec![]), "{method} {path}");
                    continue;
                }
                let status = Some(i32::from(answer.status.as_u16()));
                assert_eq!(told(pool, &id).await, (1, vec![status]), "{method} {path} as {}", role.word());
            }
        }
    }
    println!("audit: {writes} writes and {reads} reads of exact facts told of, {silent} other reads not");
    assert!(writes >= 30 && reads >= 9 && silent >= 30, "{writes} {reads} {silent}");
    let lines = store::verify_audit(pool).await.unwrap().unwrap().entries;
    assert_eq!(lines, 2 * (writes + reads));
}

async fn list(api: &TestApi, token: &str, query: &str) -> Vec<Value> {
    let request = api.request(Method::GET, &format!("/v1/audit{query}"));
    let answer = api.send(request.header("authorization", format!("Bearer {token}"))).await.expect(200);
    answer["items"].as_array().unwrap().clone()
}

/// Declaring, uploading, submitting, and what can be asked about it afterwards.
#[tokio::test]
async fn the_log_says_who_did_what_to_what() {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let (admin, custodian) = (api.token(Role::Admin).await, api.token(Role::Custodian).await);
    let send = async |method: Method, path: &str, body: Value| {
        let request = api.request(method, path).header("authorization", format!("Bearer {custodian}"));
        api.send(request.json(&body)).await
    };
    let declared = json!({"name": "ward", "schema": clinic(), "rows_public": 100,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let dataset = send(Method::POST, "/v1/datasets", declared).await.expect(201)["id"].clone();
    let upload =
        api.request(Method::PUT, "/v1/datasets/ward/rows").header("authorization", format!("Bearer {custodian}"));
    api.send(upload.header("content-type", "text/csv").body("age,ward,ill\n40,a,no\n")).await.expect(201);
    let job =
        send(Method::POST, "/v1/jobs", json!({"dataset": "ward", "epsilon": 0.5})).await.expect(202)["id"].clone();
    send(Method::POST, &format!("/v1/jobs/{}/cancel", job.as_str().unwrap()), json!({})).await.expect(202);
    send(Method::DELETE, "/v1/datasets/nobody", json!({})).await.expect(404);
    settled(&api.database.pool).await;

    let all = list(&api, &admin, "").await;
    let said: Vec<_> = all.iter().map(|of| (of["method"].as_str().unwrap(), of["route"].as_str().unwrap())).collect();
    let expected = [
        ("DELETE", "/v1/datasets/{dataset}"),
        ("POST", "/v1/jobs/{job}/cancel"),
        ("POST", "/v1/jobs"),
        ("PUT", "/v1/datasets/{dataset}/rows"),
        ("POST", "/v1/datasets"),
    ];
    assert_eq!(said, expected, "the newest first");
    let objects: Vec<Value> = all.iter().map(|of| of["objects"].clone()).collect();
    assert_eq!(objects, [json!([]), json!([job]), json!([job, dataset]), json!([dataset]), json!([dataset])]);
    let statuses: Vec<_> = all.iter().map(|of| of["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [404, 202, 202, 201, 201]);
    let key = custodian.split('_').nth(1).unwrap();
    for of in &all {
        assert_eq!((&of["key"], &of["role"], &of["tenant"]), (&json!(key), &json!("custodian"), &json!("default")));
        assert!(of["at"].is_string() && of["completed_at"].is_string() && of["request_id"].is_string());
    }

    let seqs = |found: &[Value]| -> Vec<i64> { found.iter().map(|of| of["seq"].as_i64().unwrap()).collect() };
    let job = job.as_str().unwrap();
    assert_eq!(seqs(&list(&api, &admin, "?object=ward").await), seqs(&all[2..]));
    assert_eq!(seqs(&list(&api, &admin, &format!("?object={job}")).await), seqs(&all[1..3]));
    assert_eq!(seqs(&list(&api, &admin, &format!("?key={key}")).await), seqs(&all));
    assert!(list(&api, &admin, "?key=000000000000").await.is_empty());
    assert!(list(&api, &admin, "?open=true").await.is_empty());
    assert!(list(&api, &admin, "?since=2100-01-01T00:00:00Z").await.is_empty());
    assert_eq!(list(&api, &admin, "?until=2100-01-01T00:00:00Z").await.len(), 5);
    let at = all[2]["at"].as_str().unwrap();
    assert_eq!(seqs(&list(&api, &admin, &format!("?since={at}")).await), seqs(&all[..3]));
    assert_eq!(seqs(&list(&api, &admin, &format!("?until={at}")).await), seqs(&all[3..]));
    // Page by page the same.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let request = api.request(Method::GET, &format!("/v1/audit?limit=2{cursor}"));
        let page = api.send(request.header("authorization", format!("Bearer {admin}"))).await.expect(200);
        paged.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seqs(&paged), seqs(&all));
    for query in ["?limit=0", "?cursor=x", "?key=x", "?since=yesterday", "?until=2026", "?open=perhaps"] {
        let request = api.request(Method::GET, &format!("/v1/audit{query}"));
        problem(&api.send(request.header("authorization", format!("Bearer {admin}"))).await, 422, "request_invalid");
    }
}

/// Whatever a client puts anywhere but into its own X-Request-Id stays out of the log.
#[tokio::test]
async fn no_cell_gets_into_the_log() {
    const CANARY: &str = "zq9canary";
    let api = TestApi::start(false, UploadLimits::default()).await;
    let token = api.token(Role::Admin).await;
    let send = async |method: Method, path: &str, kind: &str, body: String| {
        let request = api.request(method, path).header("authorization", format!("Bearer {token}"));
        let request = request.header("idempotency-key", CANARY).header("user-agent", CANARY).header("x-other", CANARY);
        api.send(request.header("content-type", kind).body(body)).await
    };
    let json = "application/json";
    let declared = json!({"name": CANARY, "schema": clinic(), "rows_public": 100,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    send(Method::POST, "/v1/datasets", json, declared.to_string()).await.expect(201);
    let rows = format!("/v1/datasets/{CANARY}/rows");
    send(Method::PUT, &rows, "text/csv", "age,ward,ill\n40,a,no\n".into()).await.expect(201);
    send(Method::PUT, &rows, "text/csv", format!("age,ward,ill\n40,{CANARY},no\n")).await.expect(422);
    send(Method::PUT, &format!("/v1/datasets/a{CANARY}/rows?q={CANARY}"), CANARY, CANARY.into()).await;
    let job = json!({"dataset": CANARY, "epsilon": 0.5}).to_string();
    let id = send(Method::POST, "/v1/jobs", json, job).await.expect(202)["id"].as_str().unwrap().to_owned();
    send(Method::POST, "/v1/jobs", json, json!({"dataset": CANARY, "epsilon": CANARY}).to_string()).await.expect(422);
    let given = json!({"given": [{"ward": CANARY}]}).to_string();
    send(Method::POST, &format!("/v1/jobs/{id}/samples?x={CANARY}"), json, given).await.expect(409);
    for path in ["/v1/jobs/CANARY/cancel", "/v1/jobs/CANARY/samples", "/v1/keys/CANARY", "/v1/datasets/CANARY"] {
        for method in [Method::POST, Method::DELETE, Method::PATCH] {
            send(method, &path.replace("CANARY", &format!("b{CANARY}")), json, format!("{{\"{CANARY}\": 1}}")).await;
        }
    }
    for path in ["report", "synthetic", "attempts"] {
        send(Method::GET, &format!("/v1/jobs/c{CANARY}/{path}?view={CANARY}"), json, String::new()).await;
    }
    settled(&api.database.pool).await;
    let log = "select string_agg(e::text, ' ') from audit_entries e";
    let log: String = sqlx::query_scalar(log).fetch_one(&api.database.pool).await.unwrap();
    assert!(log.contains("/v1/jobs/{job}/samples") && log.contains(&id) && !log.contains("zq9"), "{log}");
}

/// A write whose opening cannot be written does not happen.
#[tokio::test]
async fn nothing_is_done_that_cannot_be_told_of() {
    let api = TestApi::open().await;
    api.clinic(1.0, 20).await;
    let mut lock = api.database.pool.begin().await.unwrap();
    sqlx::query("select from audit_head for update").execute(&mut *lock).await.unwrap();
    let began = Instant::now();
    let refused = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await;
    problem(&refused, 503, "unavailable");
    assert!(began.elapsed() < Duration::from_secs(2) && refused.headers.contains_key("retry-after"));
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"], json!([]), "reads go on, and there is no job");
    lock.rollback().await.unwrap();
    api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
}

fn half_an_upload(length: usize) -> String {
    format!(
        "PUT /v1/datasets/ward/rows HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\nx-request-id: half\r\n\
         content-length: {length}\r\n\r\nage,ward,ill\n40,a,no\n"
    )
}

/// A client that goes away ends what it began: completed, without a status.
#[tokio::test]
async fn a_request_that_is_given_up_is_completed() {
    let api = TestApi::open().await;
    let declared = json!({"name": "ward", "schema": clinic(), "rows_public": 100,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    let mut stream = TcpStream::connect(api.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(half_an_upload(100_000).as_bytes()).await.unwrap();
    let began = Instant::now();
    while told(&api.database.pool, "half").await.0 == 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(told(&api.database.pool, "half").await, (1, vec![]), "under way");
    stream.set_zero_linger().unwrap();
    drop(stream);
    settled(&api.database.pool).await;
    let (opened, ends) = told(&api.database.pool, "half").await;
    // Whether the server sees the end of the body or of the connection first is chance.
    assert!(opened == 1 && ends.len() == 1 && ends[0].is_none_or(|status| status == 400), "{ends:?}");
    nothing_stored(&api, "a reset").await;
}

/// kill -9 between the two lines: what was under way is open for ever, and the log is sound.
#[tokio::test]
async fn what_a_crash_cut_off_stays_open() {
    let (database, folder, client) = (fresh_database().await, scratch(), client());
    let mut server = Server::start(&database.url, folder.path(), &[]);
    let declared = json!({"name": "ward", "schema": clinic(), "rows_public": 100,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let declare = client.post(format!("{}/v1/datasets", server.base)).json(&declared);
    assert_eq!(declare.send().await.unwrap().status(), 201);
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(half_an_upload(100_000).as_bytes()).await.unwrap();
    let began = Instant::now();
    while told(&database.pool, "half").await.0 == 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();

    let server = Server::start(&database.url, folder.path(), &[]);
    let open = client.get(format!("{}/v1/audit?open=true", server.base)).send().await.unwrap();
    let open: Value = serde_json::from_str(&open.text().await.unwrap()).unwrap();
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1), "{open}");
    let item = &open["items"][0];
    assert_eq!((&item["request_id"], &item["completed_at"]), (&json!("half"), &Value::Null), "{open}");
    let exported = client.get(format!("{}/v1/audit/chain", server.base)).send().await.unwrap().bytes().await.unwrap();
    let began = Instant::now();
    while !folder.path().join("blobs/audit/head").exists() {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not witnessed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop();

    let file = folder.path().join("audit.json");
    std::fs::write(&file, &exported).unwrap();
    let verify = |arguments: &[&str]| {
        let output = Server::command(&database.url, folder.path(), arguments);
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    for arguments in [vec!["verify"], vec!["verify", file.to_str().unwrap()]] {
        let (good, said) = verify(&arguments);
        assert!(good && said.contains("1 were never completed") && said.contains("request half"), "{said}");
    }
    // The file says of each change that it is one, and where; the database of what is cut off.
    let text = String::from_utf8(exported.to_vec()).unwrap();
    std::fs::write(&file, text.replacen("\"tenant\":\"default\"", "\"tenant\":\"defaulu\"", 1)).unwrap();
    let (good, said) = verify(&["verify", file.to_str().unwrap()]);
    assert!(!good && said.contains("line 1") && said.contains("digest"), "{said}");
    let cut = "set session_replication_role = replica; delete from audit_entries where seq = 3;
               update audit_head set entries = 2, head = (select digest from audit_entries where seq = 2)";
    let mut superuser = database.pool.acquire().await.unwrap().detach();
    sqlx::raw_sql(cut).execute(&mut superuser).await.unwrap();
    let (good, said) = verify(&["verify"]);
    assert!(!good && said.contains("as it is witnessed"), "{said}");
}
