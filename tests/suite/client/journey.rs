//! From a bare server to a synthetic table, by the shell alone.

use std::io::Write;

use serde_json::{Value, json};

use super::{Said, custodian};

const WARDS: [&str; 3] = ["north", "middle", "south"];

fn table() -> String {
    let row = |i: usize| format!("{},{},{}\n", 18 + i * 31 % 80, WARDS[i * 7 % 3], ["no", "yes"][i * 5 % 2]);
    "age,ward,ill\n".to_owned() + &(0..400).map(row).collect::<String>()
}

/// The id of a job in what `submit --json` said.
fn id(said: Said) -> String {
    said.json(0)["id"].as_str().unwrap().to_owned()
}

/// Each command does its work, and what it prints with --json is the API's own answer.
#[tokio::test]
async fn a_table_goes_in_and_a_synthetic_one_comes_out() {
    let (api, person) = custodian().await;
    let get = async |path: &str| {
        let request = api.request(reqwest::Method::GET, path).bearer_auth(person.key.as_deref().unwrap());
        api.send(request).await.expect(200)
    };
    assert!(person.run(&["datasets"]).await.expect(0).contains("no datasets"));
    assert!(person.run(&["jobs"]).await.expect(0).contains("no jobs"));

    person.write("ward.csv", table());
    let proposed: Value = serde_json::from_str(&person.run(&["schema", "ward.csv"]).await.expect(0)).unwrap();
    assert_eq!(proposed["columns"][1]["name"], "ward");
    person.run(&["schema", "ward.csv", "--output", "schema.json"]).await.expect(0);
    assert_eq!(serde_json::from_str::<Value>(&person.read("schema.json")).unwrap(), proposed);
    let whole = person.run(&["schema", "ward.csv", "--json"]).await.json(0);
    assert_eq!((&whole["schema"], &whole["rows"]), (&proposed, &json!(400)));

    let flags = ["datasets", "declare", "--name", "a ward", "--schema", "schema.json", "--rows-public", "400"];
    let flags: Vec<&str> = flags.into_iter().chain(["--epsilon", "3", "--json"]).collect();
    let declared = person.run(&flags).await.json(0);
    assert_eq!(get("/v1/datasets/a%20ward").await["id"], declared["id"]);
    let budget = get("/v1/datasets/a%20ward/budget").await;
    assert_eq!((&budget["epsilon"], &budget["delta"]), (&json!(3.0), &json!(1e-3)));

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(table().as_bytes()).unwrap();
    person.write("ward.csv.gz", packed.finish().unwrap());
    let uploaded = person.run(&["datasets", "upload", "a ward", "ward.csv.gz"]).await.expect(0);
    assert!(uploaded.contains("uploaded 400 rows"), "{uploaded}");
    let day = get("/v1/datasets").await["items"][0]["rows"]["created_at"].as_str().unwrap()[..10].to_owned();
    assert!(person.run(&["datasets"]).await.expect(0).contains(&day));
    assert_eq!(person.run(&["datasets", "--json"]).await.json(0), get("/v1/datasets").await);
    assert_eq!(person.run(&["datasets", "a ward", "--json"]).await.json(0), get("/v1/datasets/a%20ward").await);

    person.write(
        "job.json",
        json!({"dataset": "a ward", "epsilon": 9.0, "method": {"generator": "distribution"}}).to_string(),
    );
    let estimated = person.run(&["estimate", "job.json", "--epsilon", "1", "--json"]).await.json(0);
    assert_eq!((&estimated["epsilon"], &estimated["fits_budget"]), (&json!(1.0), &json!(true)));
    assert!(person.run(&["estimate", "job.json", "--epsilon", "1"]).await.expect(0).contains("of the budget"));
    assert_eq!(person.run(&["budget", "a ward", "--json"]).await.json(0), budget, "an estimate spends nothing");

    let _worker = api.worker(10.0);
    let flags = ["submit", "job.json", "--epsilon", "1", "--rows", "150", "--output", "out.csv", "--json"];
    let said = person.run(&flags).await;
    assert!(said.err.contains("--idempotency-key") && said.err.contains("%"), "{}", said.err);
    let job = id(said);
    let shown = person.run(&["jobs", &job, "--json"]).await.json(0);
    assert_eq!(shown, get(&format!("/v1/jobs/{job}")).await);
    assert_eq!((&shown["status"], &shown["request"]["rows"]), (&json!("succeeded"), &json!(150)));
    assert_eq!(person.run(&["jobs", "--dataset", "a ward", "--json"]).await.json(0), get("/v1/jobs").await);
    assert!(person.run(&["jobs"]).await.expect(0).contains(&job));
    assert!(person.run(&["jobs", &job]).await.expect(0).contains("succeeded"));
    assert_eq!(person.run(&["budget", "a ward", "--json"]).await.json(0), get("/v1/datasets/a%20ward/budget").await);
    assert!(person.run(&["budget", "a ward"]).await.expect(0).contains("charge"));
    let mut piped = person.command(&["submit", "-", "--epsilon", "0.5", "--json"]);
    piped.stdin(std::fs::File::open(person.path("job.json")).unwrap());
    let second = id(person.ended(piped).await);
    assert_eq!(person.run(&["jobs", &second, "--wait", "--json"]).await.json(0)["status"], "succeeded");
    downloads(&person, &job).await;
}

/// What a job left, in all forms; and it is checked without a server.
async fn downloads(person: &super::Person, job: &str) {
    let csv = person.read("out.csv");
    assert_eq!(csv.lines().count(), 151);
    person.run(&["download", job]).await.expect(0);
    assert_eq!(person.read(&format!("{job}.csv")), csv, "what came packed is what came plain");
    assert_eq!(person.run(&["download", job, "--output", "-"]).await.expect(0), csv);
    assert_eq!(person.run(&["download", job, "--rows", "3", "--output", "-"]).await.expect(0).lines().count(), 4);
    person.run(&["download", job, "--format", "jsonl"]).await.expect(0);
    assert_eq!(person.read(&format!("{job}.jsonl")).lines().count(), 150);
    person.run(&["download", job, "--output", "out.parquet"]).await.expect(0);
    assert_eq!(&std::fs::read(person.path("out.parquet")).unwrap()[..4], b"PAR1");
    person.run(&["download", job, "--what", "report", "--format", "html", "--output", "r.html"]).await.expect(0);
    assert!(person.read("r.html").contains("<html"));
    person.run(&["download", job, "--what", "report", "--output", "r.json"]).await.expect(0);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(person.path("r.json")).unwrap());
    assert_eq!(mode & 0o077, 0, "a report that compares with private rows is its owner's");
    for (what, file) in [("certificate", "c.json"), ("ledger", "l.json"), ("keys", "k.json")] {
        person.run(&["download", job, "--what", what, "--output", file]).await.expect(0);
    }
    let checked = ["verify", "c.json", "--key", "k.json", "--ledger", "l.json", "--synthetic", "out.csv"];
    let verified = person.run(&checked).await.expect(0);
    assert!(verified.contains("out.csv is the synthetic table"), "{verified}");

    person.write("mine.csv", "mine");
    let refused = person.run(&["download", job, "--output", "mine.csv"]).await.complains(1);
    assert!(refused.contains("--force") && person.read("mine.csv") == "mine");
    person.run(&["download", job, "--output", "mine.csv", "--force"]).await.expect(0);
    assert_eq!(person.read("mine.csv"), csv);
    let left = std::fs::read_dir(person.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".part")).collect();
    assert!(left.is_empty(), "{left:?}");
}
