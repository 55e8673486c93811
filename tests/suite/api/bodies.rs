//! Bad JSON bodies: refused at the right member, and nothing is stored.

use dp2stage::store::{Retention, Term};
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi, clinic};

async fn send(api: &TestApi, path: &str, text: impl Into<String>) -> Answer {
    let request = api.request(Method::POST, path).header("content-type", "application/json");
    api.send(request.body(text.into())).await
}

fn dataset() -> Value {
    json!({"name": "new", "schema": clinic(), "rows_public": 1000, "budget": {"epsilon": 1.0, "delta": 1e-6}})
}

/// The body with `text` where `pointer` points.
fn replaced(mut body: Value, pointer: &str, text: &str) -> String {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).expect("a parent");
    parent[member] = json!("zq9place");
    body.to_string().replace("\"zq9place\"", text)
}

/// Member, what stands there instead, status, a piece of `at` and `detail`.
const BAD_DATASETS: &[(&str, &str, u16, &str)] = &[
    ("/name", "5", 422, "name"),
    ("/name", "null", 422, "name"),
    ("/name", "[\"new\"]", 422, "name"),
    ("/name", "\"\"", 422, "name"),
    ("/name", "\"  \"", 422, "name"),
    ("/name", "\"a/b\"", 422, "name"),
    ("/name", "\"..\"", 422, "name"),
    ("/name", "\"a\\u0000b\"", 422, "name"),
    ("/name", "\"a\\nb\"", 422, "name"),
    ("/name", "\"\\ud800\"", 400, "name"),
    ("/rows_public", "0", 422, "rows_public"),
    ("/rows_public", "-1", 422, "rows_public"),
    ("/rows_public", "1.5", 422, "rows_public"),
    ("/rows_public", "\"1000\"", 422, "rows_public"),
    ("/rows_public", "1e3", 422, "rows_public"),
    ("/rows_public", "1000000001", 422, "rows_public"),
    ("/rows_public", "99999999999999999999999", 422, "rows_public"),
    ("/rows_public", "null", 422, "rows_public"),
    ("/budget", "null", 422, "budget"),
    ("/budget", "3", 422, "budget"),
    ("/budget", "[1, 1e-6]", 422, "expected an object"),
    ("/budget", "{}", 422, "epsilon"),
    ("/budget", "{\"epsilon\": 1}", 422, "delta"),
    ("/budget/more", "1", 422, "more"),
    ("/budget/epsilon", "\"1\"", 422, "expected a number"),
    ("/budget/epsilon", "true", 422, "budget.epsilon"),
    ("/budget/epsilon", "NaN", 400, "budget.epsilon"),
    ("/budget/epsilon", "Infinity", 400, "budget.epsilon"),
    ("/budget/epsilon", "1e400", 422, "out of range"),
    ("/budget/epsilon", "0", 422, "epsilon"),
    ("/budget/epsilon", "-1", 422, "epsilon"),
    ("/budget/epsilon", "1e-9", 422, "epsilon"),
    ("/budget/epsilon", "1001", 422, "epsilon"),
    ("/budget/delta", "0", 422, "delta"),
    ("/budget/delta", "1e-16", 422, "delta"),
    ("/budget/delta", "-1e-6", 422, "delta"),
    ("/budget/delta", "0.001", 422, "1/rows_public"),
    ("/budget/delta", "0.5", 422, "delta"),
    ("/budget/delta", "\"1e-6\"", 422, "budget.delta"),
    ("/holdout", "-0.1", 422, "holdout"),
    ("/holdout", "0.6", 422, "holdout"),
    ("/holdout", "\"0.1\"", 422, "holdout"),
    ("/access", "\"open\"", 422, "`open` is not available in this version"),
    ("/access", "7", 422, "access"),
    ("/privacy_unit", "\"row\"", 422, "expected an object"),
    ("/privacy_unit", "[\"row\"]", 422, "expected an object"),
    ("/privacy_unit", "{}", 422, "privacy_unit"),
    ("/privacy_unit", "{\"kind\": \"person\", \"column\": \"who\"}", 422, "max_rows"),
    ("/privacy_unit", "{\"kind\": \"household\"}", 422, "`household` is not available"),
    ("/privacy_unit", "{\"kind\": \"row\", \"column\": \"age\"}", 422, "column"),
    ("/surprise", "1", 422, "surprise"),
    ("/schema", "null", 422, "schema"),
    ("/schema", "\"age\"", 422, "schema"),
];

const BAD_SCHEMAS: &[(&str, &str, &str)] = &[
    ("/schema/columns", "[]", "columns"),
    ("/schema/columns", "{}", "columns"),
    ("/schema/columns", "[5]", "columns[0]"),
    ("/schema/columns", "[{}]", "columns[0]"),
    ("/schema/columns", "[null]", "columns[0]"),
    ("/schema/target", "\"nobody\"", "target"),
    ("/schema/target", "7", "target"),
    ("/schema/positive", "\"perhaps\"", "positive"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"text\"}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"integer\"}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"\", \"type\": \"integer\", \"min\": 0, \"max\": 1}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\\u0000\", \"type\": \"integer\", \"min\": 0, \"max\": 1}]", "NUL"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"integer\", \"min\": 9, \"max\": 1}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"integer\", \"min\": \"x\", \"max\": 1}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"integer\", \"min\": -1e300, \"max\": 1e300}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"number\", \"min\": 0, \"max\": 1, \"step\": 0}]", "columns[0]"),
    (
        "/schema/columns",
        "[{\"name\": \"a\", \"type\": \"number\", \"min\": 0, \"max\": 1, \"step\": -1}]",
        "columns[0]",
    ),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"datetime\", \"min\": \"2020\", \"max\": \"x\"}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"categorical\", \"categories\": []}]", "columns[0]"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"boolean\", \"missing\": [\"NA\"]}]", "needs nullable"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"boolean\", \"missing\": \"NA\"}]", "missing must be a list"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"categorical\", \"categories\": [\"x\", \"x\"]}]", "twice"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"categorical\", \"categories\": [\"\\u0000\"]}]", "NUL"),
    ("/schema/columns", "[{\"name\": \"a\", \"type\": \"categorical\", \"categories\": [{}]}]", "columns[0]"),
];

const BAD_KEYS: &[(&str, &str, u16, &str)] = &[
    ("/role", "\"boss\"", 422, "`boss` is not available in this version, which knows `analyst`, `custodian`, `admin`"),
    ("/role", "7", 422, "role"),
    ("/role", "null", 422, "role"),
    ("/tenant", "\"\"", 422, "tenant"),
    ("/tenant", "\"a b\"", 422, "tenant"),
    ("/tenant", "5", 422, "tenant"),
    ("/name", "\"\"", 422, "name"),
    ("/name", "\"a\\nb\"", 422, "name"),
    ("/name", "\"a\\u0000b\"", 422, "name"),
    ("/name", "{}", 422, "name"),
    ("/expires_at", "\"2020-01-01T00:00:00Z\"", 422, "in the future"),
    ("/expires_at", "\"2999-01-01T00:00:00Z\"", 422, "within a hundred years"),
    ("/expires_at", "\"tomorrow\"", 422, "RFC 3339"),
    ("/expires_at", "\"2090-01-01\"", 422, "RFC 3339"),
    ("/expires_at", "1e9", 422, "expires_at"),
    ("/secret", "\"mine\"", 422, "secret"),
];

/// What a choice of days may not hold; the least that is allowed beside it is 1 and the most 400.
const BAD_CHOICES: &[(&str, &str, u16, &str)] = &[
    ("/rows_days", "-1", 422, "rows_days"),
    ("/rows_days", "0", 422, "1 to 400, the most that the operator allows"),
    ("/rows_days", "401", 422, "1 to 400, the most that the operator allows"),
    ("/rows_days", "1.5", 422, "rows_days"),
    ("/rows_days", "\"30\"", 422, "rows_days"),
    ("/rows_days", "[30]", 422, "rows_days"),
    ("/rows_days", "4294967296", 422, "rows_days"),
    ("/results_days", "36501", 422, "0 (for ever) to 36500"),
    ("/results_days", "{}", 422, "results_days"),
    ("/rows_until", "\"2030-01-01\"", 422, "rows_until"),
];

const BAD_JOBS: &[(&str, &str, u16, &str)] = &[
    ("/dataset", "5", 422, "dataset"),
    ("/dataset", "null", 422, "dataset"),
    ("/dataset", "\"nobody\"", 404, "dataset"),
    ("/dataset", "\"clinic\\u0000\"", 404, "dataset"),
    ("/epsilon", "\"1\"", 422, "epsilon"),
    ("/epsilon", "null", 422, "epsilon"),
    ("/epsilon", "[1]", 422, "epsilon"),
    ("/epsilon", "0", 422, "epsilon"),
    ("/epsilon", "-1", 422, "epsilon"),
    ("/epsilon", "1e999", 422, "epsilon"),
    ("/epsilon", "NaN", 400, "epsilon"),
    ("/epsilon", "1000.5", 422, "epsilon"),
    ("/delta", "\"1e-6\"", 422, "delta"),
    ("/delta", "0", 422, "delta"),
    ("/delta", "-1e-6", 422, "delta"),
    ("/delta", "1", 422, "delta"),
    ("/rows", "0", 422, "rows"),
    ("/rows", "-5", 422, "rows"),
    ("/rows", "1.5", 422, "rows"),
    ("/rows", "\"5\"", 422, "rows"),
    ("/rows", "10000001", 422, "rows"),
    ("/rows", "true", 422, "rows"),
    ("/method", "null", 422, "method"),
    ("/method", "\"uniform\"", 422, "expected an object"),
    ("/method", "[\"uniform\"]", 422, "expected an object"),
    ("/method", "{\"stage3\": \"none\"}", 422, "stage3"),
    ("/method", "{\"stage1\": \"uniform\", \"stage2\": \"none\"}", 422, "learns nothing of the dataset"),
    ("/method", "{\"stage2\": \"full\", \"generator\": \"distribution\"}", 422, "method.stage2"),
    ("/method", "{\"stage1\": \"none\", \"generator\": \"distribution\"}", 422, "`stage1: marginal` alone"),
    ("/method", "{\"public_dataset\": \"clinic\"}", 422, "`stage1: public`"),
    ("/method", "{\"stage2\": 5}", 422, "method.stage2"),
    ("/method", "{\"stage1\": \"best\"}", 422, "`uniform`, `public`, `marginal`, `none`"),
    ("/method", "{\"stage1\": 7}", 422, "method.stage1"),
    ("/method", "{\"stage1\": null}", 422, "method.stage1"),
    ("/method", "{\"stage2\": \"dora\"}", 422, "`dora` is not available in this version, which knows"),
    ("/method", "{\"public_dataset\": 7}", 422, "public_dataset"),
    ("/method", "{\"model\": \"gpt2\"}", 422, "no ready-made model `gpt2` is declared"),
    ("/method", "{\"model\": {}}", 422, "method.model"),
    ("/method", "{\"generator\": \"best\"}", 422, "`best` is not available"),
    ("/training", "7", 422, "training"),
    ("/training", "[300]", 422, "expected an object"),
    ("/training", "{\"epochs\": 3}", 422, "epochs"),
    ("/training", "{\"public_steps\": 100001}", 422, "training.public_steps"),
    ("/training", "{\"public_steps\": -1}", 422, "training.public_steps"),
    ("/training", "{\"steps\": 0}", 422, "training.steps"),
    ("/training", "{\"steps\": -3}", 422, "training.steps"),
    ("/training", "{\"steps\": 4294967296}", 422, "training.steps"),
    ("/training", "{\"batch\": 0}", 422, "training.batch"),
    ("/training", "{\"batch\": \"8\"}", 422, "training.batch"),
    ("/training", "{\"learning_rate\": 1e39}", 422, "training.learning_rate"),
    ("/training", "{\"clipping_norm\": -1}", 422, "training.clipping_norm"),
    ("/training", "{\"optimiser\": \"adamw\"}", 422, "`adamw` is not available in this version, which knows"),
    ("/training", "{\"optimiser\": {}}", 422, "training.optimiser"),
    ("/training", "{\"momentum\": 0.5}", 422, "training.momentum"),
    ("/training", "{\"optimiser\": \"sgd\", \"momentum\": 1}", 422, "training.momentum"),
    ("/training", "{\"optimiser\": \"sgd\", \"momentum\": 1e39}", 422, "training.momentum"),
    ("/training", "{\"average\": \"mean\"}", 422, "`mean` is not available in this version, which knows"),
    ("/training", "{\"average\": 0.9}", 422, "training.average"),
    ("/measuring", "7", 422, "measuring"),
    ("/measuring", "null", 422, "measuring"),
    ("/measuring", "[0.5]", 422, "expected an object"),
    ("/measuring", "{\"rounds\": 3}", 422, "rounds"),
    ("/measuring", "{\"share\": 0.5}", 422, "measuring.share"),
    ("/measuring", "{\"histograms\": 0}", 422, "measuring.histograms"),
    ("/measuring", "{\"histograms\": 0.99}", 422, "measuring.histograms"),
    ("/measuring", "{\"histograms\": \"0.1\"}", 422, "measuring.histograms"),
    ("/measuring", "{\"histograms\": 0.6, \"labels\": 0.6}", 422, "measuring.histograms"),
    ("/measuring", "{\"labels\": 1e9}", 422, "measuring.labels"),
    ("/measuring", "{\"labels\": -0.2}", 422, "measuring.labels"),
    ("/measuring", "{\"bins\": 1}", 422, "measuring.bins"),
    ("/measuring", "{\"bins\": 101}", 422, "measuring.bins"),
    ("/measuring", "{\"bins\": 2.5}", 422, "measuring.bins"),
    ("/report", "{\"released_epsilon\": 50}", 422, "report.released_epsilon"),
    ("/report", "{\"released_epsilon\": -1}", 422, "report.released_epsilon"),
    ("/report", "{\"released_epsilon\": \"some\"}", 422, "report.released_epsilon"),
    ("/report", "{\"canaries\": 1001}", 422, "report.canaries"),
    ("/report", "{\"canaries\": -1}", 422, "report.canaries"),
    ("/report", "{\"canaries\": \"many\"}", 422, "report.canaries"),
    ("/report", "{\"stages\": true}", 422, "report.stages"),
    ("/report", "{\"stages\": \"both\"}", 422, "report.stages"),
    ("/report", "{\"targets\": \"ward\"}", 422, "report.targets"),
    ("/report", "{\"targets\": [5]}", 422, "report.targets"),
    ("/report", "{\"targets\": [\"age\", \"nobody\"]}", 422, "report.targets[1]"),
    ("/report", "{\"targets\": [\"age\", \"age\"]}", 422, "report.targets[1]"),
    ("/report", "{\"targets\": [\"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]}", 422, "at most 8"),
    ("/webhook", "\"http://x\"", 422, "webhooks are off"),
    ("/webhook", "5", 422, "webhook"),
    ("/webhook", "{}", 422, "webhook"),
    ("/seed_rows", "5", 422, "not available in this version"),
    ("/non_private", "true", 422, "non_private"),
];

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str, says: &str, sent: &str) {
    let body = problem(answer, status, code);
    let said = format!("{} {}", body["at"].as_str().unwrap_or_default(), body["detail"].as_str().unwrap());
    assert!(said.contains(says), "{sent}: {said}");
    // Rust's names mean nothing to a client.
    assert!(!["struct ", "f64", "u64", "u32", "enum "].iter().any(|word| said.contains(word)), "{sent}: {said}");
}

fn code(status: u16) -> &'static str {
    match status {
        400 => "json_malformed",
        404 => "not_found",
        _ => "request_invalid",
    }
}

#[tokio::test]
async fn bad_declarations_are_refused() {
    let api = TestApi::open().await;
    for (pointer, text, status, says) in BAD_DATASETS.iter().copied() {
        let sent = replaced(dataset(), pointer, text);
        let answer = send(&api, "/v1/datasets", sent.clone()).await;
        let code = if pointer == "/schema" { "schema_invalid" } else { code(status) };
        check(&answer, status, code, says, &sent);
    }
    for (pointer, text, says) in BAD_SCHEMAS.iter().copied() {
        let mut body = dataset();
        if pointer == "/schema/columns" {
            body["schema"]["target"] = Value::Null;
        }
        let sent = replaced(body, pointer, text);
        check(&send(&api, "/v1/datasets", sent.clone()).await, 422, "schema_invalid", says, &sent);
    }
    assert_eq!(api.get("/v1/datasets").await.expect(200)["items"], json!([]));
    println!("{} bad declarations", BAD_DATASETS.len() + BAD_SCHEMAS.len());
    send(&api, "/v1/datasets", dataset().to_string()).await.expect(201);
}

#[tokio::test]
async fn bad_submissions_are_refused() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    for (pointer, text, status, says) in BAD_JOBS.iter().copied() {
        let sent = replaced(json!({"dataset": "clinic", "epsilon": 0.5}), pointer, text);
        check(&send(&api, "/v1/jobs", sent.clone()).await, status, code(status), says, &sent);
    }
    println!("{} bad submissions", BAD_JOBS.len());
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"], json!([]));
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    assert_eq!((budget["remaining"].as_f64(), budget["entries"].as_array().map(Vec::len)), (Some(1.0), Some(1)));
}

/// For how long things are kept, said with a declaration or later.
#[tokio::test]
async fn bad_choices_of_days_are_refused() {
    let most = |most| Term { days: 0, most };
    let api = TestApi::keeping(true, Retention { rows: most(400), results: most(0) }).await;
    send(&api, "/v1/datasets", dataset().to_string()).await.expect(201);
    let choose = async |text: &str| {
        let request = api.request(Method::PUT, "/v1/datasets/new/retention");
        api.send(request.header("content-type", "application/json").body(text.to_owned())).await
    };
    let good = json!({"rows_days": 30, "results_days": null});
    for (pointer, text, status, says) in BAD_CHOICES.iter().copied() {
        let sent = replaced(good.clone(), pointer, text);
        check(&choose(&sent).await, status, code(status), says, &sent);
        let mut declared = dataset();
        declared["name"] = json!("other");
        let sent = replaced(declared, "/retention", &sent);
        check(&send(&api, "/v1/datasets", sent.clone()).await, status, code(status), says, &sent);
    }
    // What is left out is not chosen.
    for (text, says) in [("{}", "rows_days"), ("{\"rows_days\": 30}", "results_days"), ("[30, null]", "an object")] {
        check(&choose(text).await, 422, "request_invalid", says, text);
    }
    println!("{} bad choices", BAD_CHOICES.len() + 3);
    let kept = api.get("/v1/datasets/new").await.expect(200)["retention"].clone();
    assert_eq!(kept["chosen"], json!({"rows_days": null, "results_days": null}));
    assert_eq!((&kept["rows_days"], &kept["results_days"]), (&json!(400), &Value::Null), "{kept}");
    assert_eq!(api.get("/v1/datasets").await.expect(200)["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(choose(&good.to_string()).await.expect(200)["retention"]["rows_days"], 30);
}

#[tokio::test]
async fn bad_keys_are_refused() {
    let api = TestApi::open().await;
    for (pointer, text, status, says) in BAD_KEYS.iter().copied() {
        let sent = replaced(json!({"role": "analyst"}), pointer, text);
        check(&send(&api, "/v1/keys", sent.clone()).await, status, code(status), says, &sent);
    }
    check(&send(&api, "/v1/keys", "{}").await, 422, "request_invalid", "role", "{}");
    println!("{} bad keys", BAD_KEYS.len());
    assert_eq!(api.get("/v1/keys").await.expect(200)["items"], json!([]));
    send(&api, "/v1/keys", json!({"role": "analyst"}).to_string()).await.expect(201);
}

#[tokio::test]
async fn what_is_not_json_is_refused_on_every_route() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    for path in ["/v1/datasets", "/v1/jobs", "/v1/datasets/clinic/budget", "/v1/keys"] {
        for text in ["", "{", "not json", "{'name': 1}", "{} {}", "\u{feff}{}"] {
            problem(&send(&api, path, text).await, if text == "{} {}" { 422 } else { 400 }, code_of(text));
        }
        for text in ["[]", "null", "5", "\"x\"", "[[\"clinic\", 1]]"] {
            check(&send(&api, path, text).await, 422, "request_invalid", "expected an object", text);
        }
        let deep = format!("{{\"name\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let answer = send(&api, path, deep).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{}", answer.text);
        let invalid = api.request(Method::POST, path).header("content-type", "application/json");
        let answer = api.send(invalid.body(b"{\"name\": \"\xff\"}".to_vec())).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{}", answer.text);
        problem(&send(&api, path, " ".repeat(3 << 20)).await, 413, "too_large");
        for kind in ["", "text/plain", "text/csv", "application/x-www-form-urlencoded", "application/jsonx"] {
            let request = api.request(Method::POST, path).header("content-type", kind).body("{}");
            problem(&api.send(request).await, 415, "unsupported_media_type");
        }
    }
}

/// Text after a whole body is found out only after its members were looked at.
fn code_of(text: &str) -> &'static str {
    if text == "{} {}" { "request_invalid" } else { "json_malformed" }
}

/// The members of later versions may be given as what they are here: absent.
/// Rows of stage 1 alone stay in memory: a server that judges without them sends jobs to workers that cannot have them.
#[tokio::test]
async fn what_a_report_keeps_is_in_the_estimate() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    let mut asked = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 50_000,
        "method": {"stage1": "uniform", "stage2": "full"}});
    let without = api.post("/v1/estimates", &asked).await.expect(200)["memory_bytes"].as_u64().unwrap();
    asked["report"] = json!({"stages": true});
    let with = api.post("/v1/estimates", &asked).await.expect(200)["memory_bytes"].as_u64().unwrap();
    assert!(with >= without + 50_000 * 3 * 4, "{with} {without}");
}

#[tokio::test]
async fn the_documented_body_is_understood() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    let body = json!({"dataset": "clinic", "epsilon": 0.5, "delta": 1e-7,
        "method": {"stage1": "uniform", "stage2": "full", "model": "small", "generator": "auto"},
        "rows": 50, "seed_rows": null, "report": {"released_epsilon": 0.0, "targets": ["age", "ill"]}, "webhook": null});
    let job = api.post("/v1/jobs", &body).await.expect(202);
    assert_eq!((job["request"]["rows"].as_u64(), job["delta"].as_f64()), (Some(50), Some(1e-7)));
    let wished = json!({"targets": ["age", "ill"]});
    assert_eq!((&job["request"]["report"], &job["plan"]["report"]), (&wished, &wished));
    let body = json!({"dataset": "clinic", "epsilon": 0.1, "measuring": {"histograms": 0.1, "labels": 0.2, "bins": 9},
        "method": {"stage1": "marginal", "stage2": null, "public_dataset": null}});
    let job = api.post("/v1/jobs", &body).await.expect(202);
    assert_eq!(
        (&job["request"]["measuring"], &job["plan"]["measure"]["recipe"]["bins"]),
        (&body["measuring"], &json!(9))
    );
    let types = api.request(Method::POST, "/v1/jobs").header("content-type", "application/json; charset=utf-8");
    api.send(types.body(json!({"dataset": "clinic", "epsilon": 0.1}).to_string())).await.expect(202);
}
