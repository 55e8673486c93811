//! From a declaration to a synthetic table, as a client sees it.

use std::time::Duration;

use serde_json::json;

use crate::support::TestApi;

#[tokio::test]
async fn a_table_becomes_a_synthetic_table() {
    let api = TestApi::open().await;
    api.clinic(1.0, 600).await;
    let wished = json!({"targets": ["ill", "age"], "canaries": 60});
    let body = json!({"dataset": "clinic", "epsilon": 0.5, "rows": 300, "report": wished});
    let job = api.post("/v1/jobs", &body).await;
    let location = job.headers["location"].to_str().unwrap().to_owned();
    let job = job.expect(202);
    assert_eq!(job["status"], "queued");
    assert_eq!((&job["request"]["report"], &job["plan"]["canaries"]["count"]), (&wished, &json!(60)));
    assert_eq!(job["epsilon"]["reserved"], 0.5);
    let _worker = api.worker(10.0);
    let id = job["id"].as_str().unwrap();
    let job = api.job_until(id, Duration::from_secs(120), |j| j["finished_at"].is_string()).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["epsilon"]["charged"], 0.5);

    let table = api.get(&format!("{location}/synthetic")).await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    let mut lines = table.text.lines();
    assert_eq!(lines.next(), Some("age,ward,ill"));
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 300);
    for row in rows {
        assert!((18..=99).contains(&row[0].parse::<i32>().unwrap()));
        assert!(["a", "b", "c"].contains(&row[1]) && ["no", "yes"].contains(&row[2]));
    }
    let first = api.get(&format!("{location}/synthetic?rows=2")).await;
    assert!(table.text.starts_with(&first.text) && first.text.lines().count() == 3);

    let report = api.get(&format!("{location}/report")).await.expect(200);
    assert_eq!(report["view"], "custodian");
    assert!(report["one_way"]["mean"].as_f64().unwrap() > 0.5);
    // The declared target first, and once.
    let predicted = report["utility"].as_array().unwrap().iter().map(|target| target["column"].as_str().unwrap());
    assert_eq!(predicted.collect::<Vec<_>>(), ["ill", "age"]);
    assert_eq!(report["utility"][1]["prediction"]["kind"], "regression", "{}", report["utility"][1]);
    let generators = report["generators"].as_array().unwrap();
    let mut tried: Vec<_> = generators.iter().map(|tried| tried["generator"].as_str().unwrap()).collect();
    tried.sort_unstable();
    assert_eq!(tried, ["distribution", "lm"]);
    assert_eq!((&generators[0]["used"], &generators[1]["used"]), (&json!(true), &json!(false)));
    assert!(generators[0]["distance"].as_f64().unwrap() <= generators[1]["distance"].as_f64().unwrap());
    assert_eq!(generators[0]["one_way"], report["one_way"]["mean"], "what was used is what is reported");

    let evidence = &report["evidence"];
    assert_eq!(evidence["claim"]["epsilon"], 0.5);
    let (training, held_out) =
        (report["rows"]["training"].as_u64().unwrap(), report["rows"]["held_out"].as_u64().unwrap());
    assert_eq!(training + held_out, 600, "canaries are no rows of the dataset");
    assert_eq!(evidence["closest"]["reference_rows"], held_out);
    assert!(evidence["membership"]["attacks"][0]["area"]["share"].is_number(), "{evidence}");
    assert_eq!(evidence["attributes"]["columns"].as_array().unwrap().len(), 3);
    let audit = &evidence["canaries"];
    assert_eq!(
        (&audit["canaries"], &audit["guesses"], &audit["scored_by"]),
        (&json!(60), &json!(24), &json!("distribution"))
    );
    assert!(audit["epsilon_at_least"].as_f64().unwrap() < 2.0, "{audit}");
    let language = &report["language"];
    assert_eq!(language["codec"], "compact");
    assert!(language["perplexity"]["values"].as_f64().unwrap() > 1.0, "{language}");
    assert!(language["validity"]["absent"].is_string() && language["perplexity"]["names"]["absent"].is_string());
    // For every row that is kept two are written, of a token a column.
    assert_eq!((&language["generation"]["rows"], &language["generation"]["tokens"]), (&json!(600), &json!(1800)));
    assert!(language["energy"]["joules"].as_f64().unwrap() > 0.0);

    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    // Half of the epsilon costs less than half: the squares of means add up.
    assert!(budget["spent"].as_f64().is_some_and(|spent| spent > 0.1 && spent < 0.5), "{budget}");
    assert_eq!(budget["reserved"].as_f64(), Some(0.0));
    let preplanned = budget["epsilon_if_preplanned"].as_f64().unwrap();
    assert!(preplanned > 0.3 && preplanned <= 0.5, "{preplanned}");
    assert_eq!(budget["entries"][2]["epsilon"].as_f64(), Some(0.5));
    let kinds: Vec<_> = budget["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    // Spare blocks that were not needed may be handed back.
    assert!(kinds == ["grant", "reservation", "charge"] || kinds == ["grant", "reservation", "charge", "release"]);
    assert_eq!(budget["entries"][2]["event"]["type"], "composed");
}

/// A waiting request answers when the state changes, and at once when it never will again.
#[tokio::test]
async fn waiting_hears_a_change() {
    let api = TestApi::open().await;
    api.clinic(1.0, 50).await;
    let job = api.post("/v1/jobs", &json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let waiting = format!("{path}?wait=50");
    let began = std::time::Instant::now();
    let (heard, ()) = tokio::join!(api.get(&waiting), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        api.post(&format!("{path}/cancel"), &json!(null)).await.expect(202);
    });
    assert_eq!(heard.expect(200)["status"], "cancelled");
    assert_eq!(api.get(&waiting).await.expect(200)["status"], "cancelled");
    assert!(began.elapsed() < Duration::from_secs(30), "a change was not heard");
    let budget = api.get("/v1/datasets/clinic/budget").await.expect(200);
    assert_eq!(budget["remaining"], 1.0, "an untouched reservation is handed back");
}
