//! What is tried again, and what happens once.

use serde_json::json;

use super::scripted::{Scripted, answer};
use super::{Person, clinic};

const EMPTY: &str = "{\"items\":[],\"next_cursor\":null}";

fn not_now() -> String {
    let body =
        json!({"code": "unavailable", "title": "Try again in a moment", "detail": "nothing was done"}).to_string();
    answer("503 Service Unavailable", "retry-after: 1\r\n", &body)
}

#[tokio::test]
async fn reads_are_repeated_and_declarations_are_not() {
    let server = Scripted::start(vec![not_now(), String::new(), answer("200 OK", "", EMPTY)]);
    Person::at(&server.base, None).run(&["jobs"]).await.expect(0);
    assert_eq!(server.heads().len(), 3, "after a 503, after an answer that was lost");
    let server = Scripted::start(vec![not_now(); 9]);
    assert!(Person::at(&server.base, None).run(&["jobs"]).await.complains(5).contains("unavailable"));
    assert_eq!(server.heads().len(), 4);
    let server = Scripted::start(vec![String::new(), answer("201 Created", "", "{}")]);
    let person = Person::at(&server.base, None);
    person.write("dataset.json", "{}");
    person.run(&["datasets", "declare", "dataset.json"]).await.complains(5);
    assert_eq!(server.heads().len(), 1, "it may have been declared");
}

/// A submission whose answer was lost is repeated under its key, by itself or by hand: there is one job.
#[tokio::test]
async fn a_lost_answer_makes_no_second_job() {
    let accepted = answer("202 Accepted", "", "{\"id\":\"x\",\"status\":\"queued\"}");
    let server = Scripted::start(vec![String::new(), accepted]);
    let job = ["submit", "--dataset", "clinic", "--epsilon", "0.1"];
    let said = Person::at(&server.base, None).run(&job).await;
    let (told, _) = (said.err.clone(), said.expect(0));
    let key = |head: &String| head.lines().find_map(|l| l.strip_prefix("idempotency-key: ")).map(str::to_owned);
    let keys: Vec<String> = server.heads().iter().filter_map(key).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1] && told.contains(&keys[0]), "{keys:?}: {told}");

    let (api, person) = clinic(1.0, 300).await;
    let by_hand: Vec<&str> = job.into_iter().chain(["--idempotency-key", &keys[0], "--json"]).collect();
    let first = person.run(&by_hand).await.json(0);
    assert_eq!(person.run(&by_hand).await.json(0)["id"], first["id"]);
    let other: Vec<&str> = by_hand.iter().copied().chain(["--rows", "7"]).collect();
    assert!(person.run(&other).await.complains(3).contains("idempotency_mismatch"));
    assert_eq!(api.get("/v1/jobs").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

/// What breaks off leaves nothing that could be taken for a table.
#[tokio::test]
async fn half_a_table_is_none() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: 100\r\n\r\na,b\n1,2\n";
    let server = Scripted::start(vec![cut.into()]);
    let person = Person::at(&server.base, None);
    let job = "01999999-9999-7999-8999-999999999999";
    assert!(person.run(&["download", job]).await.complains(5).contains("broke off"));
    assert_eq!(std::fs::read_dir(person.home.path()).unwrap().count(), 0);
}
