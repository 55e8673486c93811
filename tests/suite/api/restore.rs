//! A database that is restored from a backup under a storage that went on: found at the start, and recovered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, client, clinic, fresh_database, scratch, storage_of};

/// One worker of its own.
const WORKER: [(&str, &str); 1] = [("DP2STAGE__WORKERS__LOCAL", "1")];

async fn send(request: reqwest::RequestBuilder, status: u16) -> Value {
    let answer = request.send().await.expect("an answer");
    let (seen, text) = (answer.status().as_u16(), answer.text().await.expect("text"));
    assert_eq!(seen, status, "{text}");
    serde_json::from_str(&text).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_does_not_forget_what_was_spent() {
    let (mut database, folder, client) = (fresh_database().await, scratch(), client());
    let server = Server::start(&database.url, folder.path(), &[]);
    let body = json!({"name": "ward", "schema": clinic(), "rows_public": 200,
                      "budget": {"epsilon": 1.0, "delta": 1e-6}});
    send(client.post(format!("{}/v1/datasets", server.base)).json(&body), 201).await;
    let rows: String = (0..200).map(|i| format!("{},{},no\n", 18 + i % 80, ["a", "b", "c"][i % 3])).collect();
    let upload = client.put(format!("{}/v1/datasets/ward/rows", server.base)).header("content-type", "text/csv");
    send(upload.body(format!("age,ward,ill\n{rows}")), 201).await;
    server.stop();

    let backup = database.copy().await;
    let server = Server::start(&database.url, folder.path(), &WORKER);
    let wish = json!({"dataset": "ward", "epsilon": 0.5, "rows": 50, "method": {"generator": "distribution"}});
    let job = send(client.post(format!("{}/v1/jobs", server.base)).json(&wish), 202).await;
    let began = Instant::now();
    loop {
        let url = format!("{}/v1/jobs/{}?wait=5", server.base, job["id"].as_str().expect("an id"));
        let job = send(client.get(url), 200).await;
        if job["finished_at"].is_string() {
            assert_eq!(job["status"], "succeeded", "{job}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{job}");
    }
    let budget = |base: String| client.get(format!("{base}/v1/datasets/ward/budget"));
    let spent = send(budget(server.base.clone()), 200).await["spent"].clone();
    assert!(spent.as_f64() > Some(0.0));
    server.stop();

    // From here on the backup is the database. Nothing may be spent on it as it is.
    let refused = Server::attempt(&backup.url, folder.path(), &[]).err().expect("a refusal");
    assert!(refused.contains("2 lines are missing after line 1") && refused.contains("dp2stage recover"), "{refused}");
    let looked = Server::command(&backup.url, folder.path(), &["doctor"]);
    let told = String::from_utf8_lossy(&looked.stdout).into_owned();
    assert!(!looked.status.success() && told.contains("BAD      ledgers      1 ledger(s) are behind"), "{told}");
    let recovered = Server::command(&backup.url, folder.path(), &["recover"]);
    let told = String::from_utf8_lossy(&recovered.stdout).into_owned();
    assert!(recovered.status.success() && told.contains("2 lines written back"), "{told}");
    let server = Server::start(&backup.url, folder.path(), &[]);
    assert_eq!(send(budget(server.base.clone()), 200).await["spent"], spent, "what was told stays told");
    server.stop();
    let verified = Server::command(&backup.url, folder.path(), &["verify"]);
    assert!(verified.status.success());
    let again = Server::command(&backup.url, folder.path(), &["recover"]);
    assert!(again.status.success() && !String::from_utf8_lossy(&again.stdout).contains("population"));

    // An empty database is no fresh installation when the storage remembers another one.
    let empty = fresh_database().await;
    let refused = Server::attempt(&empty.url, folder.path(), &[]).err().expect("a refusal");
    assert!(refused.contains("is not there; 3 lines of its ledger are missing"), "{refused}");
}

/// A server sweeps as it starts.
#[tokio::test]
async fn a_server_sweeps_orphans_as_it_starts() {
    let (database, folder) = (fresh_database().await, scratch());
    Server::start(&database.url, folder.path(), &[]).stop();
    let blobs = storage_of(folder.path());
    let orphan = folder.path().join("blobs").join(blobs.put(b"nobody's").expect("stored").blob.name);
    let young = folder.path().join("blobs").join(blobs.put(b"somebody's, soon").expect("stored").blob.name);
    let then = std::time::SystemTime::now() - Duration::from_secs(4000);
    std::fs::File::options().append(true).open(&orphan).and_then(|file| file.set_modified(then)).expect("aged");
    let server = Server::start(&database.url, folder.path(), &[]);
    let began = Instant::now();
    while orphan.exists() {
        assert!(began.elapsed() < Duration::from_secs(10), "the orphan is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(young.exists());
    server.stop();
}
