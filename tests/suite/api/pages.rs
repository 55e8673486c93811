//! Reports and comparisons over HTTP: JSON or a page, as `Accept` prefers; the exact ones for custodians alone.

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi, clinic};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn read(api: &TestApi, token: &str, path: &str, accept: &str) -> Answer {
    let request = api.request(Method::GET, path).header("authorization", format!("Bearer {token}"));
    api.send(request.header("accept", accept)).await
}

/// A house with a custodian, an analyst and a job that has succeeded.
async fn house() -> (TestApi, [String; 2], String) {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let tokens = [api.token(Role::Custodian).await, api.token(Role::Analyst).await];
    let custodian =
        |method, path: &str| api.request(method, path).header("authorization", format!("Bearer {}", tokens[0]));
    let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 400, "holdout": 0.3,
                          "budget": {"epsilon": 5.0, "delta": 1e-6}});
    api.send(custodian(Method::POST, "/v1/datasets").json(&declared)).await.expect(201);
    let rows: String =
        (0..400).map(|i| format!("{},{},{}\n", 20 + i % 60, ["a", "b"][i % 2], ["no", "yes"][i / 3 % 2])).collect();
    let upload = custodian(Method::PUT, "/v1/datasets/clinic/rows").header("content-type", "text/csv");
    api.send(upload.body(format!("age,ward,ill\n{rows}"))).await.expect(201);
    let job = json!({"dataset": "clinic", "epsilon": 1.0, "rows": 391, "method": {"generator": "distribution"}});
    let job = api.send(custodian(Method::POST, "/v1/jobs").json(&job)).await.expect(202);
    let id = job["id"].as_str().unwrap().to_owned();
    let _worker = api.worker(10.0);
    let mut done = Value::Null;
    while done["status"] != "succeeded" {
        done = api.send(custodian(Method::GET, &format!("/v1/jobs/{id}?wait=20"))).await.expect(200);
        assert_ne!(done["status"], "failed");
    }
    (api, tokens, id)
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_json() {
    let (api, [custodian, analyst], id) = house().await;
    for what in [format!("/v1/jobs/{id}/report"), "/v1/datasets/clinic/comparison".to_owned()] {
        for (accept, html) in [
            (BROWSER, true),
            ("text/html", true),
            ("text/*;q=0.9, application/json;q=0.8", true),
            ("*/*", false),
            ("application/json", false),
            ("application/json, text/html;q=0.9", false),
            ("text/html;q=0, */*", false),
        ] {
            let answer = read(&api, &custodian, &what, accept).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text);
            let kind = answer.headers["content-type"].to_str().unwrap();
            assert_eq!(kind.starts_with("text/html"), html, "{what} {accept}: {kind}");
            assert_eq!(answer.text.starts_with("<!DOCTYPE html>"), html);
            assert_eq!(answer.headers["vary"], "Accept");
        }
        let page = read(&api, &custodian, &what, BROWSER).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
        assert_eq!(
            (&page.headers["vary"], &page.headers["x-content-type-options"]),
            (&"Accept".parse().unwrap(), &"nosniff".parse().unwrap())
        );
        let tag = page.headers["etag"].to_str().unwrap();
        let again = api.request(Method::GET, &what).header("authorization", format!("Bearer {custodian}"));
        let again = api.send(again.header("accept", BROWSER).header("if-none-match", tag)).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
        assert!(page.text.contains("For the custodian alone"));
        // Nobody else gets it, in any form; and what they get is another page.
        for accept in [BROWSER, "application/json"] {
            problem(&read(&api, &analyst, &format!("{what}?view=custodian"), accept).await, 403, "forbidden");
        }
        let released = read(&api, &analyst, &what, BROWSER).await;
        assert!(
            released.text.contains("May be published") && !released.text.contains("For the custodian alone"),
            "{}",
            released.text
        );
    }
}

#[tokio::test]
async fn a_comparison_has_the_figures_of_the_reports() {
    let (api, [custodian, analyst], id) = house().await;
    let report = read(&api, &custodian, &format!("/v1/jobs/{id}/report"), "*/*").await.expect(200);
    let comparison = read(&api, &custodian, "/v1/datasets/clinic/comparison", "*/*").await.expect(200);
    let [job] = comparison["jobs"].as_array().unwrap().as_slice() else { panic!("{comparison}") };
    assert_eq!((&job["job"], &job["epsilon"]), (&json!(id), &json!(1.0)));
    assert_eq!(job["figures"]["one_way"], report["one_way"]["mean"]);
    assert_eq!(job["figures"]["two_way"], report["two_way"]["mean"]);
    assert_eq!(job["figures"]["generator"], "distribution");
    let released = read(&api, &analyst, "/v1/datasets/clinic/comparison", "*/*").await.expect(200);
    assert_eq!(released["view"], "released");
    let unbought = &released["jobs"][0]["figures"];
    assert_eq!(unbought.as_object().unwrap().keys().collect::<Vec<_>>(), ["absent"], "{released}");
    for limit in ["0", "101", "many"] {
        let path = format!("/v1/datasets/clinic/comparison?limit={limit}");
        problem(&read(&api, &custodian, &path, "*/*").await, 422, "request_invalid");
    }
    problem(&read(&api, &custodian, "/v1/datasets/other/comparison", "*/*").await, 404, "not_found");
}
