//! Admission of jobs.

use dp2stage::tabular::UploadLimits;
use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::problem;
use crate::support::{Answer, TestApi, clinic};

async fn submit(api: &TestApi, body: Value) -> Answer {
    api.post("/v1/jobs", &body).await
}

async fn submit_once(api: &TestApi, key: &str, body: &Value) -> Answer {
    api.send(api.request(Method::POST, "/v1/jobs").header("idempotency-key", key).json(body)).await
}

#[tokio::test]
async fn defaults_are_written_out_and_the_plan_is_shown() {
    let api = TestApi::open().await;
    api.clinic(2.0, 500).await;
    let answer = submit(&api, json!({"dataset": "clinic", "epsilon": 0.5})).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let job = answer.expect(202);
    assert_eq!(api.get(&location).await.expect(200), job);
    assert_eq!(job["delta"].as_f64(), Some(1e-6), "the delta of the grant");
    assert_eq!(job["plan"]["rows"], 500);
    let method = json!({"stage1": "marginal", "stage2": "none", "model": "small", "generator": "auto"});
    assert_eq!(job["request"]["method"], method);
    assert_eq!(job["plan"]["rows_public"], 450, "a tenth is held out");
    assert_eq!(job["plan"]["event"]["type"], "composed");
    assert!(job["plan"]["measure"]["histograms"].as_f64().unwrap() > 0.2 && job["plan"]["private"].is_null());
    assert_eq!((job["status"].as_str(), job["queue_position"].as_u64()), (Some("queued"), Some(1)));
    for absent in ["progress", "error", "started_at", "finished_at"] {
        assert!(job[absent].is_null(), "{absent}");
    }
    assert!(job["links"]["synthetic"].is_null());

    let training = json!({"steps": 60, "batch": 45.0, "learning_rate": 0.01, "clipping_norm": 0.5});
    let body =
        json!({"dataset": "clinic", "epsilon": 0.5, "rows": 7, "training": training, "method": {"stage1": "none"}});
    let job = submit(&api, body).await.expect(202);
    let private = &job["plan"]["private"];
    assert_eq!(private["blocks"].as_u64().unwrap() * private["block_steps"].as_u64().unwrap(), 60);
    assert_eq!((private["rate"].as_f64(), private["clipping_norm"].as_f64()), (Some(0.1), Some(0.5)));
    assert_eq!((job["plan"]["public"]["steps"].as_u64(), job["plan"]["rows"].as_u64()), (Some(0), Some(7)));
    assert_eq!(job["queue_position"], 2);
    assert!(private["adam"].is_object() && private["average"].is_null());

    let training = json!({"steps": 60, "optimiser": "sgd", "momentum": 0.5, "average": "tail"});
    let body = json!({"dataset": "clinic", "epsilon": 0.1, "rows": 7, "training": training});
    let job = submit(&api, body).await.expect(202);
    assert_eq!(job["request"]["method"]["stage2"], "full", "whoever sets stage 2 wants one");
    let private = &job["plan"]["private"];
    assert_eq!((private["sgd"]["momentum"].as_f64(), private["adam"].is_null()), (Some(0.5), true));
    assert!(private["average"]["tail"]["share"].as_f64().is_some_and(|share| share > 0.0));
}

#[tokio::test]
async fn without_rows_there_is_no_job() {
    let api = TestApi::open().await;
    let body =
        json!({"name": "bare", "schema": clinic(), "rows_public": 100, "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let made = api.post("/v1/datasets", &body).await.expect(201);
    problem(&submit(&api, json!({"dataset": "bare", "epsilon": 0.5})).await, 409, "state_conflict");
    let by_id = json!({"dataset": made["id"], "epsilon": 0.5});
    problem(&submit(&api, by_id.clone()).await, 409, "state_conflict");
    api.upload("bare", "age,ward,ill\n20,a,no\n").await.expect(201);
    assert_eq!(submit(&api, by_id).await.expect(202)["dataset"], "bare");
}

#[tokio::test]
async fn an_exhausted_budget_is_told_in_figures() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    submit(&api, json!({"dataset": "clinic", "epsilon": 0.75})).await.expect(202);
    let body = problem(&submit(&api, json!({"dataset": "clinic", "epsilon": 0.9})).await, 409, "budget_exhausted");
    let figure = |member: &str| body[member].as_f64().unwrap();
    assert!(figure("requested") > figure("remaining") && figure("reserved") > 0.4 && figure("spent") == 0.0);
    assert!((figure("remaining") + figure("reserved") - 1.0).abs() < 1e-9);
    let largest = figure("largest_next_epsilon");
    // Two jobs of .75 and of this would be more than 1 as a plain sum of epsilons.
    assert!((0.3..0.75).contains(&largest), "{largest}");
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    assert_eq!(budget["largest_next_epsilon"].as_f64(), Some(largest));
    assert_eq!(
        (budget["epsilon_guaranteed"].as_f64(), budget["entries"][1]["epsilon"].as_f64()),
        (Some(1.0), Some(0.75))
    );
    // A little more does not fit; exactly what is said to fit does, and then next to nothing.
    problem(&submit(&api, json!({"dataset": "clinic", "epsilon": largest * 1.001})).await, 409, "budget_exhausted");
    submit(&api, json!({"dataset": "clinic", "epsilon": largest})).await.expect(202);
    let body = problem(
        &submit(&api, json!({"dataset": "clinic", "epsilon": 0.1, "training": {"steps": 30}})).await,
        409,
        "budget_exhausted",
    );
    assert!(body["remaining"].as_f64().unwrap() < 1e-3);
    assert!(body["largest_next_epsilon"].as_f64().unwrap() < 0.05);
    api.post("/v1/datasets/clinic/budget", &json!({"epsilon": 3.0, "delta": 1e-6})).await.expect(200);
    submit(&api, json!({"dataset": "clinic", "epsilon": 1.0})).await.expect(202);
}

#[tokio::test]
async fn of_many_submissions_for_the_last_of_the_budget_one_wins() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    let all = (0..8).map(|_| submit(&api, json!({"dataset": "clinic", "epsilon": 0.8})));
    let answers = futures_util::future::join_all(all).await;
    let won = answers.iter().filter(|a| a.status == 202).count();
    assert_eq!(won, 1);
    for answer in answers.iter().filter(|a| a.status != 202) {
        let body = problem(answer, 409, "budget_exhausted");
        assert!(body["requested"].as_f64() > body["remaining"].as_f64(), "{body}");
    }
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_repeated_submission_is_one_job() {
    let api = TestApi::open().await;
    api.clinic(1.0, 100).await;
    let body = json!({"dataset": "clinic", "epsilon": 0.9});
    let all = futures_util::future::join_all((0..4).map(|_| submit_once(&api, "k-1", &body))).await;
    let ids: Vec<_> = all.into_iter().map(|a| a.expect(202)["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    // The same request, written differently.
    let same = json!({"epsilon": 0.9, "dataset": "clinic", "method": {"stage1": "marginal"}, "webhook": null});
    assert_eq!(submit_once(&api, "k-1", &same).await.expect(202)["id"], ids[0]);
    let other = json!({"dataset": "clinic", "epsilon": 0.1});
    problem(&submit_once(&api, "k-1", &other).await, 422, "idempotency_mismatch");
    assert_ne!(submit_once(&api, "k-2", &other).await.expect(202)["id"], ids[0]);
    // A refusal is not remembered.
    problem(&submit_once(&api, "k-3", &body).await, 409, "budget_exhausted");
    api.post("/v1/datasets/clinic/budget", &json!({"epsilon": 2.0, "delta": 1e-6})).await.expect(200);
    submit_once(&api, "k-3", &body).await.expect(202);
    for key in ["", &"k".repeat(256), "\u{e9}"] {
        problem(&submit_once(&api, key, &body).await, 422, "request_invalid");
    }
}

/// The ends of the domains: a plan, or a refusal that says what to do.
#[tokio::test]
async fn extreme_prices_are_planned_or_refused() {
    let api = TestApi::open().await;
    api.clinic(1000.0, 1000).await;
    let outcomes = [(0.001, 1e-15), (0.001, 1e-9), (0.01, 1e-7), (10.0, 1e-15), (900.0, 1e-7)];
    for (epsilon, delta) in outcomes {
        let method = json!({"stage1": "uniform"});
        let body = json!({"dataset": "clinic", "epsilon": epsilon, "delta": delta, "rows": 1, "method": method});
        let answer = submit(&api, body).await;
        if answer.status == 202 {
            let noise = answer.json()["plan"]["private"]["noise"].as_f64().unwrap();
            assert!((0.2..=1000.0).contains(&noise), "{noise}");
        } else {
            let refusal = problem(&answer, 422, "request_invalid");
            assert!(refusal["detail"].as_str().unwrap().contains("fewer steps"), "{refusal}");
        }
        let measured = json!({"dataset": "clinic", "epsilon": epsilon, "delta": delta, "rows": 1});
        let answer = submit(&api, measured).await;
        if answer.status == 202 {
            let noise = answer.json()["plan"]["measure"]["histograms"].as_f64().unwrap();
            assert!((1e-4..=1e6).contains(&noise), "{noise}");
        } else {
            let refusal = problem(&answer, 422, "request_invalid");
            assert_eq!(refusal["at"], "epsilon");
            assert!(refusal["detail"].as_str().unwrap().contains("larger for a job that measures"), "{refusal}");
        }
    }
}

/// An estimate says what a submission would do, and leaves no trace.
#[tokio::test]
async fn an_estimate_is_what_the_job_will_be() {
    let api = TestApi::open().await;
    // Before there are rows: nothing private is needed.
    let declared = json!({"name": "clinic", "schema": clinic(), "rows_public": 5000,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &declared).await.expect(201);
    let before = api.get("/v1/datasets/clinic/budget").await.expect(200);
    let body = json!({"dataset": "clinic", "epsilon": 0.7, "training": {"steps": 90}});
    let estimate = api.post("/v1/estimates", &body).await.expect(200);
    assert_eq!(api.get("/v1/datasets/clinic/budget").await.expect(200), before);
    api.upload("clinic", "age,ward,ill\n20,a,no\n").await.expect(201);
    let job = submit(&api, body.clone()).await.expect(202);
    let private = &job["plan"]["private"];
    assert_eq!((&estimate["noise_multiplier"], &estimate["sampling_rate"]), (&private["noise"], &private["rate"]));
    assert_eq!(estimate["measure"], job["plan"]["measure"]);
    assert!(estimate["measure"]["rounds"].as_array().is_some_and(|rounds| rounds.len() == 3), "{estimate}");
    assert_eq!((&estimate["events"][0], &estimate["delta"]), (&job["plan"]["event"], &job["delta"]));
    assert_eq!((estimate["steps"].as_u64(), estimate["fits_budget"].as_bool()), (Some(90), Some(true)));
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    assert_eq!(estimate["share"], budget["reserved"]);
    for guess in ["seconds", "memory_bytes", "energy_wh"] {
        assert!(estimate[guess].as_f64().unwrap() > 0.0, "{estimate}");
    }
    assert_eq!((estimate["fits_memory"].as_bool(), estimate["largest"].is_null()), (Some(true), true));
    let again = api.post("/v1/estimates", &body).await.expect(200);
    assert_eq!(again["fits_budget"], submit(&api, body).await.status == 202);
    // A larger job takes longer.
    let longer = json!({"dataset": "clinic", "epsilon": 0.2, "training": {"steps": 900}});
    let longer = api.post("/v1/estimates", &longer).await.expect(200);
    let unmeasured = json!({"dataset": "clinic", "epsilon": 0.2, "method": {"stage1": "uniform"}});
    assert!(api.post("/v1/estimates", &unmeasured).await.expect(200)["measure"].is_null());
    assert!(longer["seconds"].as_f64() > estimate["seconds"].as_f64());
    problem(&api.post("/v1/estimates", &json!({"dataset": "x", "epsilon": 1.0})).await, 404, "not_found");
    problem(&api.post("/v1/estimates", &json!({"dataset": "clinic", "epsilon": 0})).await, 422, "request_invalid");
}

/// A job that no worker has the memory for is refused before anything is reserved, with the figures and
/// with settings that are then accepted.
#[tokio::test]
async fn a_job_that_is_too_large_is_told_what_fits() {
    let api = TestApi::with_workers(true, UploadLimits::default(), 200_000_000).await;
    api.clinic(2.0, 500).await;
    let body = |rows: u64| json!({"dataset": "clinic", "epsilon": 0.5, "rows": rows});
    let refusal = problem(&submit(&api, body(9_000_000)).await, 422, "job_too_large");
    let needed = refusal["memory_bytes"].as_u64().unwrap();
    assert_eq!(refusal["memory_limit_bytes"], 200_000_000);
    assert!(needed > 200_000_000);
    let rows = refusal["largest"]["rows"].as_u64().unwrap();
    assert!((1000..9_000_000).contains(&rows), "{rows}");
    assert_eq!(refusal["largest"]["stage2"], json!([]), "rows are what is too large");
    assert!(refusal["detail"].as_str().unwrap().contains(&format!("at most {rows} rows")), "{refusal}");
    let estimate = api.post("/v1/estimates", &body(9_000_000)).await.expect(200);
    assert_eq!((&estimate["memory_bytes"], &estimate["largest"]), (&refusal["memory_bytes"], &refusal["largest"]));
    assert_eq!(
        (estimate["fits_memory"].as_bool(), estimate["memory_limit_bytes"].as_u64()),
        (Some(false), Some(200_000_000))
    );
    assert_eq!(api.get("/v1/datasets/clinic/budget").await.expect(200)["reserved"].as_f64(), Some(0.0));
    problem(&submit(&api, body(rows + 1)).await, 422, "job_too_large");
    submit(&api, body(rows)).await.expect(202);
}
