//! S1: malformed uploads to a real server process: the right code for each, nothing of them in answers or in the log, and
//! memory that does not care.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dp2stage::tabular::Packing;
use serde_json::{Value, json};

use crate::support::{Server, client, dice, figure, fresh_database, repeats, scratch};
use crate::tabular::{corpus, generated};

/// What the server may have resident at the most, whatever is sent.
const RESIDENT: u64 = 256 << 20;

/// A server with the dataset of the corpus, and a client.
struct House {
    server: Server,
    client: reqwest::Client,
    // Its files go after it.
    _folder: tempfile::TempDir,
    _database: crate::support::TestDatabase,
}

/// A status, and a text.
type Said = (u16, String);

impl House {
    async fn new() -> Self {
        let (database, folder) = (fresh_database().await, scratch());
        let server = Server::start(&database.url, folder.path(), &[("RUST_LOG", "trace")]);
        let client = client();
        let body = json!({"name": "t", "schema": corpus::schema(), "rows_public": 100,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
        let made = client.post(format!("{}/v1/datasets", server.base)).json(&body).send().await.expect("an answer");
        assert_eq!(made.status(), 201);
        Self { server, client, _folder: folder, _database: database }
    }

    async fn put(&self, packing: Packing, body: impl Into<reqwest::Body>) -> Said {
        let url = format!("{}/v1/datasets/t/rows", self.server.base);
        let mut request = self.client.put(url).header("content-type", "text/csv").body(body);
        if packing == Packing::Gzip {
            request = request.header("content-encoding", "gzip");
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// A body of one byte over and over; a server that has heard enough may close before all is sent.
    async fn put_endless(&self, start: &'static str, fill: u8, bytes: usize) -> Option<u16> {
        let block = Bytes::from(vec![fill; 1 << 20]);
        let chunks = std::iter::once(Bytes::from_static(start.as_bytes()))
            .chain(std::iter::repeat_n(block, bytes >> 20))
            .map(Ok::<_, std::io::Error>);
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let url = format!("{}/v1/datasets/t/rows", self.server.base);
        let answer = self.client.put(url).header("content-type", "text/csv").body(body).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_uploads_to_a_server() {
    let house = House::new().await;
    let (mut wrong, mut told, mut failed) = (0, 0, 0);
    let mut judge = |name: &str, (status, text): &Said, code: Option<&str>, row: Option<u64>| {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let right = match code {
            Some(code) => *status == 422 && body["code"] == code,
            None => *status == 201 || *status == 422 && body["code"] == "csv_invalid",
        };
        let place = row.is_none_or(|row| code != Some("csv_invalid") || body["problems"][0]["row"] == row);
        if !right || !place {
            println!("{name}: {status} {text}");
            wrong += 1;
        }
        failed += usize::from(*status >= 500);
        told += usize::from(text.contains("zq9"));
    };
    let cases = corpus::cases();
    for case in &cases {
        let said = house.put(case.packing, case.body.clone()).await;
        judge(&case.name, &said, Some(case.code), case.place.map(|(row, _)| row));
    }
    let mut rng = dice("malformed uploads to a server");
    let count = repeats(500, 10_000);
    for _ in 0..count {
        let case = generated::generate(&mut rng);
        let said = house.put(case.packing, case.body).await;
        judge(case.fault, &said, case.code, case.row);
    }
    let log = house.server.log();
    let (lines, panics) = (log.matches("zq9").count(), log.matches("panicked").count());
    let peak = house.server.memory("VmHWM");
    let done = format!("malformed uploads ({} by hand), {} MiB resident at the peak", cases.len(), peak >> 20);
    let faults =
        [(wrong, "answered wrongly"), (failed, "5xx"), (panics, "panics"), (told, "echoed"), (lines, "logged")];
    figure("S1", (cases.len() + count, done.as_str()), &faults);
    assert!(peak < RESIDENT, "{peak} bytes resident");
}

/// Lines, quotes, fields and archives without an end, sixteen at a time, and a line of a gibibyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storms_do_not_fill_the_memory() {
    let house = House::new().await;
    let starts =
        ["", "\"", "age,\"", "age,weight,ward,admitted,seen,outcome\n", "age,weight,ward,admitted,seen,outcome\n\""];
    let long = repeats(128, 1024) << 20;
    assert_ne!(house.put_endless("age,weight,ward,admitted,seen,outcome\n42,", b'7', long).await, Some(201));
    let waves = starts.iter().flat_map(|start| b"x\",\n\0;".iter().map(move |fill| (*start, *fill)));
    let waves: Vec<_> = waves.collect();
    for wave in waves.chunks(16) {
        let storm = wave.iter().map(|(start, fill)| house.put_endless(start, *fill, 24 << 20));
        for status in futures_util::future::join_all(storm).await {
            assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?}");
        }
    }
    let bomb = Bytes::from(corpus::gzip(&vec![b'\n'; 256 << 20]));
    let bombs = (0..16).map(|_| house.put(Packing::Gzip, bomb.clone()));
    for (status, text) in futures_util::future::join_all(bombs).await {
        assert!(status == 422 && text.contains("gzip_ratio"), "{status} {text}");
    }
    let (peak, log) = (house.server.memory("VmHWM"), house.server.log());
    println!(
        "S1: a line of {} MiB, {} storms, 16 bombs: {} MiB resident at the peak",
        long >> 20,
        waves.len(),
        peak >> 20
    );
    assert!(peak < RESIDENT && !log.contains("panicked"), "{peak} bytes resident");
    let (status, text) = house.put(Packing::Plain, corpus::good(3)).await;
    assert_eq!(status, 201, "{text}");
}

/// A body that says that it is too large is refused before it comes.
#[tokio::test]
async fn what_is_announced_as_too_large_is_not_waited_for() {
    let house = House::new().await;
    let address = house.server.base.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let head = "PUT /v1/datasets/t/rows HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/csv\r\nexpect: 100-continue\r\n\
                content-length: 4294967297\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.expect("sent");
    let began = Instant::now();
    let mut text = vec![0; 4096];
    let read = tokio::io::AsyncReadExt::read(&mut stream, &mut text).await.expect("an answer");
    let text = String::from_utf8_lossy(&text[..read]).into_owned();
    assert!(text.starts_with("HTTP/1.1 413") && !text.contains("100 Continue"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(2));
}
