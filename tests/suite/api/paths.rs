//! S3: names that would lead out of the storage lead nowhere, wherever a client may write one.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Method;
use serde_json::json;

use super::wire::exchange;
use crate::support::{TestApi, blobs_in, clinic, figure, scratch};
use dp2stage::store::Blob;

/// Ways to write "one folder up", plain, packed once and twice, and as other systems and decoders have it.
const UP: [&str; 16] = [
    "../",
    "..\\",
    "..%2f",
    "..%2F",
    "..%5c",
    "%2e%2e/",
    "%2e%2e%2f",
    "%2E%2E%5C",
    ".%2e/",
    "%252e%252e%252f",
    "..%252f",
    "%c0%ae%c0%ae/",
    "..%c0%af",
    "....//",
    "..;/",
    "\u{ff0e}\u{ff0e}\u{ff0f}",
];
/// What would be worth having.
const GOALS: [&str; 8] = [
    "etc/passwd",
    "keys/certificate.ed25519",
    "secret.txt",
    "blobs/tmp",
    "ledger/00000000-0000-7000-8000-000000000000/1",
    "blocks/00000000-0000-7000-8000-000000000000",
    "proc/self/environ",
    "root/.ssh/authorized_keys",
];
/// Others, whole.
const WHOLE: [&str; 24] = [
    "/etc/passwd",
    "//etc/passwd",
    "\\\\host\\share\\x",
    "C:\\Windows\\win.ini",
    "file:///etc/passwd",
    "%2fetc%2fpasswd",
    ".",
    "..",
    "...",
    "~",
    "~root/.profile",
    "$HOME/x",
    "`id`",
    "$(id)",
    "|id",
    ";id",
    "a\0b",
    "secret.txt\0.csv",
    "tmp",
    "tmp/x",
    "./tmp/./x",
    "CON",
    "x\r\nSet-Cookie: a=b",
    "x\"; filename=\"../../secret.txt",
];

/// More than five hundred names.
fn names() -> Vec<String> {
    let mut names: Vec<String> = WHOLE.map(String::from).into();
    for (i, up) in UP.iter().enumerate() {
        for (j, goal) in GOALS.iter().enumerate() {
            for depth in [1, 2, 3, 8] {
                let prefix = ["", "/", "x/", "0123abcd-"][(i + j + depth) % 4];
                names.push(format!("{prefix}{}{goal}", up.repeat(depth)));
            }
        }
    }
    names
}

/// Every file below a folder but those of a folder in it, with what it holds.
fn files(below: &Path, but: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![below.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path == but {
                continue;
            } else if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.display().to_string(), std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// A name as one segment of a path.
fn packed(name: &str) -> String {
    name.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02x}") })
        .collect()
}

#[tokio::test]
async fn names_lead_nowhere() {
    let api = TestApi::open().await;
    api.clinic(1.0, 20).await;
    std::fs::write(api.folder().join("secret.txt"), "the-secret-of-the-house").unwrap();
    let (names, before) = (names(), files(api.folder(), &api.blobs()));
    assert!(names.len() >= 500 && before.len() >= 2, "{} names", names.len());
    let (mut told, mut failed, mut declared) = (0, 0, 0);
    for name in &names {
        let mut answers = Vec::new();
        let body = json!({"name": name, "schema": clinic(), "rows_public": 20,
                          "budget": {"epsilon": 1.0, "delta": 1e-6}});
        let made = api.post("/v1/datasets", &body).await;
        let segment = packed(name);
        if made.status == 201 {
            declared += 1;
            let location = made.headers["location"].to_str().unwrap().to_owned();
            assert!(uuid::Uuid::parse_str(location.trim_start_matches("/v1/datasets/")).is_ok(), "{location}");
            // A name with a dot segment is reached by its id alone, and does no harm by its name.
            answers.push(api.upload(location.trim_start_matches("/v1/datasets/"), "age,ward,ill\n20,a,no\n").await);
            answers.push(api.send(api.request(Method::DELETE, &location)).await);
        }
        answers.push(made);
        for path in ["/v1/datasets/", "/v1/jobs/", "/v1/jobs?dataset=", "/v1/jobs?cursor=", "/v1/datasets?cursor="] {
            answers.push(api.get(&format!("{path}{segment}")).await);
        }
        answers.push(api.upload(&segment, "age,ward,ill\n20,a,no\n").await);
        answers.push(api.post("/v1/jobs", &json!({"dataset": name, "epsilon": 0.1, "method": {"model": name}})).await);
        for answer in &answers {
            let text = format!("{:?}{}", answer.headers, answer.text);
            told += usize::from(text.contains("the-secret") || text.contains("root:x:") || text.contains("set-cookie"));
            failed += usize::from(answer.status.is_server_error());
        }
        // As it stands, in a path, byte by byte.
        if name.bytes().all(|b| b.is_ascii_graphic()) {
            let head = format!("GET /v1/datasets/{name} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            let text = exchange(&api, head.as_bytes()).await;
            told += usize::from(text.contains("the-secret") || text.contains("root:x:"));
            failed += usize::from(text.starts_with("HTTP/1.1 5"));
        }
    }
    let outside = usize::from(files(api.folder(), &api.blobs()) != before);
    let within = files(&api.blobs(), Path::new("")).keys().filter(|path| !is_ours(path, &api.blobs())).count();
    assert!(declared > 10, "some of these are names that a dataset may have: {declared}");
    let done = format!("traversal names in 8 places each ({declared} of them names of datasets)");
    let faults = [(outside, "files changed outside"), (within, "odd files"), (told, "told"), (failed, "5xx")];
    figure("S3", (names.len(), done.as_str()), &faults);
}

/// Whether a file of the storage has a name that the storage gave it.
fn is_ours(path: &str, blobs: &Path) -> bool {
    let name = Path::new(path).strip_prefix(blobs).expect("below").display().to_string();
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    match name.split_once('/') {
        None => plain(&name),
        Some(("tmp" | "ledger" | "blocks", rest)) => rest.split('/').all(plain),
        Some(_) => false,
    }
}

#[test]
fn blobs_have_no_other_names_than_their_own() {
    let folder = scratch();
    std::fs::write(folder.path().join("secret.txt"), "x").unwrap();
    let blobs = blobs_in(&folder.path().join("blobs"));
    let stored = blobs.put(b"content").unwrap().blob;
    let before = files(folder.path(), Path::new(""));
    let of_name =
        |name: &str| [format!("../{name}"), format!("{name}/../x"), format!("{name}\0"), name.to_uppercase() + "/"];
    let all: Vec<String> = names().into_iter().chain(of_name(&stored.name)).chain(["".into(), "-".into()]).collect();
    for name in &all {
        let named = Blob { name: name.clone(), ..stored.clone() };
        assert!(blobs.read(&named).is_err() && blobs.reader(&named).is_err(), "{name:?}");
        assert!(!blobs.has(name).unwrap_or(false) && blobs.remove(name).is_err(), "{name:?}");
    }
    assert_eq!(files(folder.path(), Path::new("")), before);
    assert_eq!(blobs.read(&stored).unwrap(), b"content");
    println!("S3: {} names of blobs: 0 opened, 0 removed", all.len());
}
