//! Large uploads to a real server process, whose memory must not grow with the table.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::{Server, client, clinic, fresh_database, scratch};

/// Size of the table: many times what the server may hold.
const TABLE: usize = 96 << 20;
/// What the server may grow by while it takes the table.
const GROWTH: u64 = 48 << 20;

async fn declare(server: &Server, client: &reqwest::Client) {
    let body = json!({"name": "big", "schema": clinic(), "rows_public": 1000,
                      "budget": {"epsilon": 1.0, "delta": 1e-6}});
    let made = client.post(format!("{}/v1/datasets", server.base)).json(&body).send().await.expect("an answer");
    assert_eq!(made.status(), 201);
}

/// About a megabyte of rows and how many they are.
fn block() -> (Bytes, u64) {
    let rows: u64 = 100_000;
    let text: String =
        (0..rows).map(|i| format!("{},{},yes\n", 18 + i % 80, ["a", "b", "c"][i as usize % 3])).collect();
    (text.into(), rows)
}

/// The header, then that many times the same block, made as it is sent.
fn table(block: Bytes, times: usize) -> reqwest::Body {
    let head = std::iter::once(Bytes::from_static(b"age,ward,ill\n"));
    let chunks = head.chain(std::iter::repeat_n(block, times)).map(Ok::<_, std::io::Error>);
    reqwest::Body::wrap_stream(futures_util::stream::iter(chunks))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_does_not_grow_with_the_table() {
    let (database, folder) = (fresh_database().await, scratch());
    let server = Server::start(&database.url, folder.path(), &[]);
    let client = client();
    declare(&server, &client).await;
    let (block, rows) = block();
    let times = TABLE.div_ceil(block.len());
    let put = |body: reqwest::Body| {
        client.put(format!("{}/v1/datasets/big/rows", server.base)).header("content-type", "text/csv").body(body)
    };
    let before = server.memory("VmRSS");
    let began = Instant::now();
    let answer = put(table(block.clone(), times)).send().await.expect("an answer");
    let (seconds, bytes) = (began.elapsed().as_secs_f64(), times * block.len());
    let stored: Value = answer.json().await.expect("JSON");
    assert_eq!(stored["rows"].as_u64(), Some(rows * times as u64), "{stored}");

    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(b"age,ward,ill\n").expect("packed");
    for _ in 0..times / 4 {
        packer.write_all(&block).expect("packed");
    }
    let packed = packer.finish().expect("packed");
    let answer = put(packed.into()).header("content-encoding", "gzip").send().await.expect("an answer");
    assert_eq!(answer.status(), 201, "{}", answer.text().await.expect("text"));

    let peak = server.memory("VmHWM");
    println!("{bytes} bytes in {seconds:.1} s; resident before {before}, at the peak {peak}");
    assert!(peak < 256 << 20 && peak - before < GROWTH, "before {before}, peak {peak}");
}

/// kill -9 in the middle of an upload: the next server shows nothing of it and clears it away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_an_upload_keeps_nothing_of_it() {
    let (database, folder) = (fresh_database().await, scratch());
    let client = client();
    let making = folder.path().join("blobs/tmp");
    // Pages of the audit log are made in the same folder; this one grows.
    let upload_in_the_making = || {
        let files = std::fs::read_dir(&making).expect("a folder").filter_map(Result::ok);
        files.map(|file| file.path()).find(|file| file.metadata().is_ok_and(|about| about.len() > 1 << 20))
    };
    let mut server = Server::start(&database.url, folder.path(), &[]);
    declare(&server, &client).await;
    let url = |server: &Server| format!("{}/v1/datasets/big/rows", server.base);
    let upload = client.put(url(&server)).header("content-type", "text/csv").body(table(block().0, 100_000)).send();
    let upload = tokio::spawn(upload);
    let began = Instant::now();
    let half = loop {
        if let Some(half) = upload_in_the_making() {
            break half;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no file in the making");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    server.child.kill().expect("a kill");
    server.child.wait().expect("an end");
    assert!(upload.await.expect("a task").is_err());
    assert!(half.exists(), "nobody could clear it away");

    let server = Server::start(&database.url, folder.path(), &[]);
    assert!(!half.exists());
    let dataset = client.get(format!("{}/v1/datasets/big", server.base)).send().await.expect("an answer");
    assert!(dataset.json::<Value>().await.expect("JSON")["rows"].is_null());
    let again = client.put(url(&server)).header("content-type", "text/csv").body("age,ward,ill\n20,a,no\n");
    assert_eq!(again.send().await.expect("an answer").status(), 201);
}
