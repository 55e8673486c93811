//! Every end has its code, and says what to do next.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::scripted::{Scripted, answer};
use super::{Person, clinic};
use crate::support::TestApi;

const JOB: [&str; 5] = ["submit", "--dataset", "clinic", "--epsilon", "1"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    JOB.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (api, person) = clinic(1.0, 300).await;
    assert!(person.run(&["submit", "--epsilon", "1"]).await.complains(2).contains("--dataset"));
    assert!(person.run(&["download", "no-job"]).await.complains(2).contains("no-job"));
    assert!(person.run(&["jobs", "cancel"]).await.complains(2).contains("<JOB>"));
    assert!(person.run(&["budget", "nowhere", "--server", "ftp://x"]).await.complains(2).contains("https://"));
    assert!(person.run(&["budget", "nowhere", "--server", "http://a:b@x"]).await.complains(2).contains("key file"));
    assert!(person.run(&["submit", "/nowhere.json"]).await.complains(1).contains("/nowhere.json"));
    person.write("table.xlsx", "");
    assert!(person.run(&["datasets", "upload", "clinic", "table.xlsx"]).await.complains(2).contains(".parquet"));
    assert!(person.run(&["datasets", "upload", "clinic", "none.csv"]).await.complains(1).contains("none.csv"));
    person.write("job.json", "[1]");
    assert!(person.run(&["submit", "job.json"]).await.complains(2).contains("no object"));
    person.write("job.json", "{");
    assert!(person.run(&["submit", "job.json"]).await.complains(2).contains("not JSON"));

    assert!(person.run(&["budget", "nowhere"]).await.complains(3).contains("not_found"));
    assert!(
        person.run(&with(&["--stage1", "none", "--stage2", "none"])).await.complains(3).contains("request_invalid")
    );
    let unknown = person.run(&["budget", "nowhere", "--json"]).await;
    assert!(unknown.err.contains("not_found"));
    assert_eq!(unknown.json(3)["code"], "not_found", "the problem document itself");

    let exhausted = person.run(&["submit", "--dataset", "clinic", "--epsilon", "2", "--json"]).await;
    assert!(
        exhausted.err.contains("largest epsilon") && exhausted.err.contains("dp2stage budget"),
        "{}",
        exhausted.err
    );
    assert_eq!(exhausted.json(4)["code"], "budget_exhausted");
    let estimate = person.run(&["estimate", "--dataset", "clinic", "--epsilon", "2", "--json"]).await;
    assert_eq!(estimate.json(4)["fits_budget"], false);
    // What could not be kept in the end is not begun.
    assert!(person.run(&with(&["--output", "none/x.csv"])).await.complains(1).contains("cannot write in none"));
    person.write("mine.csv", "mine");
    assert!(person.run(&with(&["--output", "mine.csv"])).await.complains(1).contains("--force"));
    assert!(person.run(&with(&["--output", "x.xlsx"])).await.complains(2).contains(".parquet"));
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_table_that_does_not_fit_names_places_and_no_cells() {
    let (_api, person) = clinic(1.0, 300).await;
    person.write("bad.csv", "age,ward,ill\n20,a,no\n21,secret-ward,no\n");
    let said = person.run(&["datasets", "upload", "clinic", "bad.csv"]).await;
    assert!(!said.out.contains("secret-ward") && !said.err.contains("secret-ward"), "{said:?}");
    let told = said.complains(3);
    assert!(told.contains("csv_invalid") && told.contains("row 2, column ward"), "{told}");
    person.write("bad.json", "{\"schema\": secret-cell");
    let said = person.run(&["datasets", "declare", "bad.json"]).await;
    assert!(!said.complains(2).contains("secret-cell"));
}

#[tokio::test]
async fn nobody_there_is_five() {
    let person = Person::at("http://127.0.0.1:1", None);
    let said = person.run(&["jobs", "--json"]).await;
    assert_eq!(said.out, "", "nobody said anything");
    let told = said.complains(5);
    assert!(told.contains("http://127.0.0.1:1 does not answer") && told.contains("dp2stage serve"), "{told}");
    let odd = Scripted::start(vec![answer("404 Not Found", "", "<html>")]);
    assert!(Person::at(&odd.base, None).run(&["jobs"]).await.complains(3).contains("is the address right"));
    let odd = Scripted::start(vec![answer("200 OK", "", "<html>")]);
    assert!(Person::at(&odd.base, None).run(&["jobs"]).await.complains(1).contains("is the address right"));
}

#[tokio::test]
async fn a_job_that_is_cancelled_or_fails_is_six() {
    let (api, person) = clinic(3.0, 300).await;
    let mut waiting = person.command(&with(&["--wait", "--json"])).spawn().unwrap();
    let job = submitted(&api).await;
    let cancelled = person.run(&["jobs", "cancel", &job, "--json"]).await.json(0);
    assert_eq!(cancelled["status"], "cancelled");
    assert!(
        person.run(&["jobs", "cancel", &job]).await.expect(0).contains("is cancelled"),
        "cancelling twice is no fault"
    );
    let output = tokio::time::timeout(Duration::from_secs(20), waiting.wait()).await.unwrap().unwrap();
    assert_eq!(output.code(), Some(6));
    assert!(person.run(&["jobs", &job, "--wait"]).await.complains(6).contains("was cancelled"));
    assert!(person.run(&["download", &job]).await.complains(3).contains("state_conflict"));
    let body = json!({"id": job, "status": "failed", "error": "out_of_memory", "progress": null}).to_string();
    let failed = Scripted::start(vec![answer("200 OK", "", &body)]);
    let told = Person::at(&failed.base, None).run(&["jobs", &job, "--wait"]).await.complains(6);
    assert!(told.contains("out_of_memory") && told.contains(&format!("dp2stage jobs {job}")), "{told}");
}

/// The first job of an API, once it is there.
async fn submitted(api: &TestApi) -> String {
    loop {
        let jobs: Value = api.get("/v1/jobs").await.expect(200);
        match jobs["items"][0]["id"].as_str() {
            Some(id) => return id.to_owned(),
            None => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }
}

#[tokio::test]
async fn who_stops_waiting_learns_how_to_come_back() {
    let (api, person) = clinic(3.0, 300).await;
    let mut waiting = person.command(&with(&["--wait"])).spawn().unwrap();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("a line of the queue").contains("queue") {}
    let pid = nix::unistd::Pid::from_raw(waiting.id().unwrap() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let (mut said, job) = (String::new(), submitted(&api).await);
    while let Some(line) = lines.next_line().await.unwrap() {
        said += &line;
    }
    assert_eq!(waiting.wait().await.unwrap().code(), Some(130), "{said}");
    assert!(said.contains(&format!("dp2stage jobs {job} --wait")), "{said}");
    assert_eq!(api.get(&format!("/v1/jobs/{job}")).await.expect(200)["status"], "queued");
}

#[tokio::test]
async fn shells_can_read_their_completions() {
    let person = Person::at("http://127.0.0.1:1", None);
    for shell in ["bash", "zsh", "fish"] {
        let script = person.run(&["completions", shell]).await.expect(0);
        assert!(script.contains("idempotency-key") && script.contains("download"), "{shell}");
        if shell == "bash" {
            person.write("completions", &script);
            let parsed = std::process::Command::new("bash").arg("-n").arg(person.path("completions")).output().unwrap();
            assert!(parsed.status.success(), "{parsed:?}");
        }
    }
}

#[tokio::test]
async fn the_codes_are_in_every_help_and_in_the_readme() {
    let person = Person::at("http://127.0.0.1:1", None);
    for command in ["submit", "estimate", "jobs", "download", "datasets", "schema", "budget"] {
        let help = person.run(&[command, "--help"]).await.expect(0);
        assert!(help.contains("  130  interrupted") && help.contains("--key-file"), "{command}: {help}");
    }
    let help = person.run(&["--help"]).await.expect(0);
    let codes = help.split("Exit codes").nth(1).expect("codes").lines().skip(1);
    let readme = include_str!("../../../README.md");
    for line in codes.filter(|line| !line.trim().is_empty()) {
        let (code, meaning) = line.trim().split_once("  ").expect("a code and its meaning");
        assert!(readme.contains(&format!("| {code} | {} |", meaning.trim())), "the README lacks {line}");
    }
}
