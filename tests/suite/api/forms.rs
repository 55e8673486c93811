//! Tables in all their forms, up to a server and down from it.

use std::time::{Duration, Instant};

use dp2stage::tabular::{Code, Declaration, Form, Packing, ParquetReader, Schema, UploadLimits};
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use super::refusal::{files, nothing_stored, problem};
use crate::support::{Answer, Server, TestApi, client, clinic, fresh_database, scratch};
use crate::tabular::forms::{packed, written};
use crate::tabular::{corpus, crafted};

const PARQUET: &str = "application/vnd.apache.parquet";

fn declared() -> Schema {
    Declaration::from_json(&clinic()).unwrap().schema
}

fn rows(count: u32) -> Vec<Vec<Code>> {
    (0..count).map(|i| vec![i * 31 % 80, i % 3, u32::from(i % 3 == 1)]).collect()
}

async fn put(api: &TestApi, kind: &str, encoding: Option<&str>, body: Vec<u8>) -> Answer {
    let request = api.request(Method::PUT, "/v1/datasets/clinic/rows").header(CONTENT_TYPE, kind);
    let request = encoding.into_iter().fold(request, |request, name| request.header(CONTENT_ENCODING, name));
    api.send(request.body(body)).await
}

/// All forms and compressions of one table are the same upload.
#[tokio::test]
async fn a_table_comes_in_any_form() {
    let api = TestApi::open().await;
    api.clinic(1.0, 10).await;
    let (schema, rows, before) = (declared(), rows(5000), files(&api));
    let of = |form| written(&schema, &rows, form, 4096);
    let bodies = [
        ("text/csv", None, of(Form::Csv)),
        ("text/csv", Some("gzip"), packed(Packing::Gzip, &of(Form::Csv), 999)),
        ("text/csv; charset=utf-8", Some("zstd"), packed(Packing::Zstd, &of(Form::Csv), 999)),
        ("application/jsonl", None, of(Form::JsonLines)),
        ("application/x-ndjson", Some("zstd"), packed(Packing::Zstd, &of(Form::JsonLines), 999)),
        ("application/jsonl", Some("gzip"), packed(Packing::Gzip, &of(Form::JsonLines), 999)),
        (PARQUET, None, of(Form::Parquet)),
        (PARQUET, Some("identity"), of(Form::Parquet)),
    ];
    for (i, (kind, encoding, body)) in bodies.into_iter().enumerate() {
        let length = body.len();
        let stored = put(&api, kind, encoding, body).await.expect(201);
        assert_eq!((&stored["rows"], &stored["bytes"]), (&json!(5000), &json!(length)), "{kind} {encoding:?}");
        assert_eq!(files(&api), before + 1 + i, "a blob for each, and nothing of a file that waited");
    }
    let waiting = std::fs::read_dir(api.blobs().join("tmp")).unwrap().count();
    assert_eq!(waiting, 0);
}

#[tokio::test]
async fn what_is_not_the_table_is_refused_in_any_form() {
    let api = TestApi::open().await;
    let request = json!({"name": "clinic", "schema": clinic(), "rows_public": 1000,
                         "budget": {"epsilon": 1.0, "delta": 1e-6}});
    api.post("/v1/datasets", &request).await.expect(201);
    let good = written(&declared(), &rows(10), Form::Parquet, 10);
    let wide = json!({"columns": [{"name": "age", "type": "integer", "min": 0, "max": 999}, clinic()["columns"][1],
                                  clinic()["columns"][2]]});
    let wide = Declaration::from_json(&wide).unwrap().schema;
    let old = written(&wide, &[vec![42, 0, 0], vec![777, 0, 0]], Form::Parquet, 10);
    let cases = [
        ("application/octet-stream", None, good.clone(), 415, "unsupported_media_type"),
        ("application/json", None, b"{}".to_vec(), 415, "unsupported_media_type"),
        ("text/csv", Some("br"), b"age".to_vec(), 415, "unsupported_media_type"),
        (PARQUET, Some("gzip"), corpus::gzip(&good), 415, "unsupported_media_type"),
        (PARQUET, None, Vec::new(), 422, "parquet_invalid"),
        (PARQUET, None, b"age,ward,ill\n20,a,no\n".to_vec(), 422, "parquet_invalid"),
        (PARQUET, None, good[..good.len() - 1].to_vec(), 422, "parquet_invalid"),
        (PARQUET, None, [&good[..40], &good[41..]].concat(), 422, "parquet_invalid"),
        (PARQUET, None, old, 422, "parquet_invalid"),
        ("text/csv", None, good.clone(), 422, "csv_invalid"),
        ("application/jsonl", None, good.clone(), 422, "jsonl_invalid"),
        ("application/jsonl", None, b"{\"age\": 777, \"ward\": \"a\", \"ill\": \"no\"}".to_vec(), 422, "jsonl_invalid"),
        ("text/csv", Some("zstd"), b"age,ward,ill\n20,a,no\n".to_vec(), 422, "zstd_invalid"),
        ("text/csv", Some("zstd"), Vec::new(), 422, "zstd_truncated"),
    ];
    for (kind, encoding, body, status, code) in cases {
        let mut refused = problem(&put(&api, kind, encoding, body).await, status, code);
        // An id may hold any digits.
        refused.as_object_mut().unwrap().remove("request_id");
        assert!(!refused.to_string().contains("777"), "{refused}");
        if code.ends_with("parquet_invalid") || code == "jsonl_invalid" {
            assert!(!refused["problems"].as_array().unwrap().is_empty(), "{refused}");
        }
        nothing_stored(&api, kind).await;
    }
}

/// A job's rows are the same in every form; compressed answers say so, and have tags of their own.
#[tokio::test]
async fn rows_go_out_in_any_form() {
    let api = TestApi::open().await;
    api.clinic(9.0, 400).await;
    let _worker = api.worker(30.0);
    let body = json!({"dataset": "clinic", "epsilon": 2.0, "rows": 700, "method": {"generator": "distribution"}});
    let job = api.post("/v1/jobs", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    let ended = |job: &Value| job["status"] != "queued" && job["status"] != "running";
    let done = api.job_until(&job, Duration::from_secs(120), ended).await;
    assert_eq!(done["status"], "succeeded", "{done}");
    let path = |query: &str| format!("/v1/jobs/{job}/synthetic{query}");
    let (schema, csv) = (declared(), api.get(&path("")).await);
    assert_eq!((csv.text.lines().count(), &csv.headers["vary"]), (701, &"accept-encoding".parse().unwrap()));

    let lines = api.get(&path("?format=jsonl")).await;
    assert_eq!(lines.headers[CONTENT_TYPE], "application/jsonl");
    let lines: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let as_csv =
        |row: &Value| format!("{},{},{}", row["age"], row["ward"].as_str().unwrap(), row["ill"].as_str().unwrap());
    assert!(lines.iter().map(as_csv).eq(csv.text.lines().skip(1)), "JSON Lines say otherwise");

    for (query, count) in [("?format=parquet", 700), ("?format=parquet&rows=9", 9), ("?format=parquet&rows=0", 0)] {
        let answer = api.request(Method::GET, &path(query)).header("accept-encoding", "zstd").send().await.unwrap();
        assert_eq!(
            (&answer.headers()[CONTENT_TYPE], answer.headers().get(CONTENT_ENCODING)),
            (&PARQUET.parse().unwrap(), None)
        );
        assert!(answer.headers()["content-disposition"].to_str().unwrap().contains("clinic-synthetic.parquet"));
        let bytes = answer.bytes().await.unwrap();
        let mut reader = ParquetReader::open(&bytes[..], (&schema, None), UploadLimits::default()).unwrap();
        let mut read = Vec::new();
        while reader.next_rows(&mut |row, _| read.push(row.to_vec())).unwrap() {}
        let text = String::from_utf8(written(&schema, &read, Form::Csv, 100)).unwrap();
        assert!(read.len() == count && csv.text.starts_with(&text), "{query}");
    }

    let mut tags = vec![csv.headers["etag"].clone()];
    for (accept, encoding) in [
        ("zstd, gzip", Some("zstd")),
        ("gzip, deflate, br, zstd;q=0.5", Some("gzip")),
        ("gzip;q=0, zstd;q=0", None),
        ("br", None),
    ] {
        let ask = || api.request(Method::GET, &path("")).header("accept-encoding", accept);
        let answer = ask().send().await.unwrap();
        let said = answer.headers().get(CONTENT_ENCODING).map(|name| name.to_str().unwrap().to_owned());
        assert_eq!(said.as_deref(), encoding, "{accept}");
        let tag = answer.headers()["etag"].clone();
        let bytes = answer.bytes().await.unwrap().to_vec();
        let text = match encoding {
            Some("zstd") => zstd::stream::decode_all(&bytes[..]).unwrap(),
            Some(_) => {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut text).unwrap();
                text
            }
            None => bytes.clone(),
        };
        assert!(text == csv.text.as_bytes() && (encoding.is_none() || bytes.len() * 2 < text.len()), "{accept}");
        assert_eq!(api.send(ask().header("if-none-match", &tag)).await.status, 304);
        if encoding.is_some() {
            assert!(!tags.contains(&tag), "{accept}: {tag:?} among {tags:?}");
            tags.push(tag);
        }
    }
    let sampled = api.request(Method::POST, &format!("/v1/jobs/{job}/samples"));
    let sampled = sampled.json(&json!({"rows": 30, "format": "parquet"})).send().await.unwrap();
    assert_eq!(sampled.headers()[CONTENT_TYPE], PARQUET);
    let bytes = sampled.bytes().await.unwrap();
    let reader = ParquetReader::open(&bytes[..], (&schema, None), UploadLimits::default());
    assert!(reader.unwrap().next_rows(&mut |_, _| {}).is_ok());
}

/// Files without names of a process that are on the disk.
fn nameless(server: &Server) -> Vec<Vec<u8>> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap().filter_map(Result::ok);
    let gone = open
        .map(|entry| entry.path())
        .filter(|path| std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().ends_with(" (deleted)")));
    gone.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// A file that waits for its end is on the disk without a name, and sealed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_waits_is_sealed() {
    let (database, folder) = (fresh_database().await, scratch());
    let (server, client) = (Server::start(&database.url, folder.path(), &[]), client());
    let (send, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let request = json!({"name": "big", "schema": clinic(), "rows_public": 1000,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    client.post(format!("{}/v1/datasets", server.base)).json(&request).send().await.unwrap();
    let upload = client.put(format!("{}/v1/datasets/big/rows", server.base)).header(CONTENT_TYPE, PARQUET);
    let body = reqwest::Body::wrap_stream(tokio_stream::wrappers::ReceiverStream::new(body));
    let upload = tokio::spawn(upload.body(body).send());
    let canary = b"zq9canary".repeat(1 << 17);
    for _ in 0..4 {
        send.send(Ok(canary.clone())).await.unwrap();
    }
    let began = Instant::now();
    let waiting = loop {
        match nameless(&server).into_iter().find(|bytes| bytes.len() > 3 << 20) {
            Some(bytes) => break bytes,
            None => assert!(began.elapsed() < Duration::from_secs(10), "nothing waits"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(!waiting.windows(9).any(|window| window == b"zq9canary"), "in the clear");
    assert_eq!(std::fs::read_dir(folder.path().join("blobs/tmp")).unwrap().count(), 0, "it has a name");
    drop(send);
    assert_eq!(upload.await.unwrap().unwrap().status(), 422);
    assert!(nameless(&server).iter().all(Vec::is_empty), "it stays");
}

/// Files that unpack to much, and large ones that are right, many at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_do_not_fill_the_memory() {
    let (database, folder) = (fresh_database().await, scratch());
    let (server, client) = (Server::start(&database.url, folder.path(), &[]), client());
    let request = json!({"name": "big", "schema": clinic(), "rows_public": 1000,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
    client.post(format!("{}/v1/datasets", server.base)).json(&request).send().await.unwrap();
    let put = |body: Vec<u8>| {
        let request = client.put(format!("{}/v1/datasets/big/rows", server.base)).header(CONTENT_TYPE, PARQUET);
        let sent = request.body(body).send();
        async move {
            let answer = sent.await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    };
    let zeros = vec![0u8; 16 << 20];
    let page = crafted::Page {
        unpacked: zeros.len() as i64,
        ..crafted::Page::data(2 << 20, zstd::bulk::compress(&zeros, 3).unwrap())
    };
    let columns = ["age", "ward", "ill"].map(crafted::Column::numbers);
    let chunks = vec![crafted::Chunk::of(2 << 20, 6, vec![page]); 3];
    let bomb = crafted::file(&columns, &[(2 << 20, chunks)]);
    let lies = crafted::file(
        &columns,
        &[(
            4,
            vec![
                crafted::Chunk::of(
                    4,
                    0,
                    vec![crafted::Page { unpacked: 1 << 31, ..crafted::Page::data(4, vec![0; 32]) }]
                );
                3
            ],
        )],
    );
    let storm = (0..16).map(|i| put(if i % 2 == 0 { bomb.clone() } else { lies.clone() }));
    for (status, text) in futures_util::future::join_all(storm).await {
        assert!(status == 422 && text.contains("parquet_invalid"), "{status} {text}");
    }
    let before = server.memory("VmHWM");
    let good = written(&declared(), &rows(1_000_000), Form::Parquet, 4096);
    let began = Instant::now();
    for (status, text) in futures_util::future::join_all((0..3).map(|_| put(good.clone()))).await {
        assert!(status == 201 && text.contains("1000000"), "{status} {text}");
    }
    let peak = server.memory("VmHWM");
    println!(
        "16 bombs: {} MiB resident at the peak; 3 files of a million rows in {:.1} s: {} MiB",
        before >> 20,
        began.elapsed().as_secs_f64(),
        peak >> 20
    );
    assert!(peak < 256 << 20 && !server.log().contains("panicked"), "{peak} bytes resident");
}
