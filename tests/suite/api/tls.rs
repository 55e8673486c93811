//! TLS, and the headers that every answer has.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dp2stage::http::{Patience, Tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Server, TestApi, client, fresh_database, scratch};

/// A certificate for this machine, and its key, as files of a folder; gives the certificate.
fn issue(folder: &Path) -> String {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.pem()
}

/// A client that believes this certificate alone.
fn believer(pem: &str) -> reqwest::Client {
    let _ = client();
    let root = Certificate::from_pem(pem.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([root]).pool_max_idle_per_host(0).build().unwrap()
}

#[tokio::test]
async fn tls_is_spoken_and_browsers_are_told_to_stay_with_it() {
    let (api, folder) = (TestApi::open().await, scratch());
    let pem = issue(folder.path());
    let tls = Tls::read(&folder.path().join("chain.pem"), &folder.path().join("key.pem")).unwrap();
    let address =
        api.also((Some(tls), Patience { handshake: Duration::from_millis(300), ..Patience::default() })).await;
    let url = format!("https://localhost:{}/v1/datasets", address.port());
    let answer = believer(&pem).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=15552000");
    let unsaid = api.get("/v1/datasets").await;
    assert!(!unsaid.headers.contains_key("strict-transport-security"), "nobody came by TLS");
    let other = scratch();
    assert!(believer(&issue(other.path())).get(&url).send().await.is_err(), "another certificate");

    // In the clear there is no answer, and a handshake that does not end is cut off.
    for start in ["GET /v1/datasets HTTP/1.1\r\nhost: localhost\r\n\r\n", "\x16\x03\x01", ""] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await;
        let _ = read.expect("the server closes");
        assert!(!String::from_utf8_lossy(&text).contains("HTTP/1.1"), "{start:?}");
    }
    assert_eq!(believer(&pem).get(&url).send().await.unwrap().status(), 200, "others are served");
}

#[test]
fn files_that_are_no_pair_are_refused_by_name() {
    let (folder, other) = (scratch(), scratch());
    issue(folder.path());
    issue(other.path());
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let fault = |chain: &Path, key: &Path| Tls::read(chain, key).expect_err("no pair").to_string();
    assert!(fault(&folder.path().join("none.pem"), &key).contains("none.pem: there is no such file"));
    assert!(fault(&key, &key).contains("holds no certificate"));
    assert!(fault(&chain, &chain).contains("holds no private key"));
    assert!(fault(&chain, &other.path().join("key.pem")).contains("the certificate and the key"));
    let secret = std::fs::read_to_string(&key).unwrap();
    std::fs::write(other.path().join("key.pem"), secret.replace("BEGIN", "BEGAN")).unwrap();
    let said = fault(&chain, &other.path().join("key.pem"));
    assert!(said.contains("key.pem") && secret.lines().all(|line| !said.contains(line)), "{said}");
}

/// The settings, the line at the start, and a certificate that is renewed under a running server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_reads_its_certificate_again_when_told_to() {
    let (database, folder) = (fresh_database().await, scratch());
    let first = issue(folder.path());
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let environment =
        [("DP2STAGE__SERVER__TLS_CERT", chain.to_str().unwrap()), ("DP2STAGE__SERVER__TLS_KEY", key.to_str().unwrap())];
    let half = Server::attempt(&database.url, folder.path(), &environment[..1]);
    assert!(half.err().is_some_and(|said| said.contains("go together")));
    let server = Server::start(&database.url, folder.path(), &environment);
    assert!(server.base.starts_with("https://127.0.0.1:"), "{}", server.base);
    let url = format!("{}/healthz", server.base);
    let well = async |pem: &str| believer(pem).get(&url).send().await.is_ok_and(|answer| answer.status() == 200);
    assert!(well(&first).await);
    let hangup = || {
        let pid = nix::unistd::Pid::from_raw(server.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    };
    std::fs::File::create(&chain).unwrap().write_all(b"nothing").unwrap();
    hangup();
    let began = Instant::now();
    while !server.log().contains("stays in use") {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(well(&first).await, "the one before stays in use");
    let second = issue(folder.path());
    assert!(well(&first).await, "nobody has said yet that there is another");
    hangup();
    while !well(&second).await {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!well(&first).await);
    server.stop();
}

/// Whoever opens the service to a network without TLS reads it at once.
#[test]
fn an_open_address_without_tls_is_warned_of() {
    let folder = scratch();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dp2stage"))
        .args(["serve", "--bind", "0.0.0.0:0", "--state-dir"])
        .arg(folder.path())
        .current_dir("/")
        // Nothing is there: it ends soon after the warning.
        .env("DATABASE_URL", "postgres://nobody@localhost:1/none?sslmode=nonsense")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stderr).into_owned();
    assert!(said.contains("KEYS AND TABLES COME IN THE CLEAR"), "{said}");
}

#[tokio::test]
async fn every_answer_has_the_headers_of_a_private_one() {
    let api = TestApi::open().await;
    api.clinic(1.0, 20).await;
    let job = api.post("/v1/jobs", &serde_json::json!({"dataset": "clinic", "epsilon": 0.5})).await.expect(202);
    let job = job["id"].as_str().unwrap().to_owned();
    let mut paths: Vec<String> =
        ["/healthz", "/openapi.json", "/v1/datasets", "/v1/datasets/clinic", "/v1/datasets/clinic/budget", "/v1/jobs"]
            .map(String::from)
            .into();
    paths.extend([format!("/v1/jobs/{job}"), format!("/v1/jobs/{job}/report"), "/nowhere".into(), "/v1/jobs/x".into()]);
    for path in paths {
        for origin in [None, Some("http://localhost:3000")] {
            let mut request = api.request(Method::GET, &path);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let answer = api.send(request).await;
            let header =
                |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            assert_eq!(header("cache-control"), "no-store", "{path}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
            assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
            assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{path}: no CORS");
        }
    }
}
