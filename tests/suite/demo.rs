//! The program as a person at a terminal meets it: real processes, real curl.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{clinic, scratch};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dp2stage");

/// `dp2stage serve` on a free port.
struct Server {
    child: Child,
    base: String,
    /// What it printed after its address, up to the first line that is not an admin key.
    key: Option<String>,
}

impl Server {
    fn start(state: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--bind", "127.0.0.1:0", "--state-dir"])
            .arg(state)
            .args(flags)
            .env("DP2STAGE__LOG__FILTER", "error")
            .env_remove("DATABASE_URL")
            .current_dir("/")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listens = lines.next().expect("the server starts").unwrap();
        let base = listens.strip_prefix("dp2stage listens on ").unwrap().to_owned();
        let open = flags.contains(&"--dev");
        let key = if open { None } else { lines.next().and_then(|l| Some(l.unwrap().split_once(": ")?.1.to_owned())) };
        Self { child, base, key }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").arg("-sS").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn demo(folder: &Path, rows: usize) -> Output {
    let csv: String =
        (0..rows).map(|i| format!("{},{},{}\n", 20 + i % 70, ["a", "b", "c"][i % 3], ["no", "yes"][i % 2])).collect();
    std::fs::write(folder.join("ward.csv"), format!("age,ward,ill\n{csv}")).unwrap();
    std::fs::write(folder.join("schema.json"), clinic().to_string()).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "ward.csv", "--schema", "schema.json", "--out", "out"]);
    // A demo has a database of its own, whatever the environment names.
    command.current_dir(folder).env("DATABASE_URL", "postgres://nobody@localhost:1/none").output().unwrap()
}

/// One command from a table to a synthetic table; then the lines it printed, pasted into a shell
/// against `dp2stage serve --dev`, do the same.
#[test]
fn a_demo_and_its_curl_lines() {
    let folder = scratch();
    let output = demo(folder.path(), 300);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let synthetic = std::fs::read_to_string(folder.path().join("out/synthetic.csv")).unwrap();
    assert_eq!(synthetic.lines().count(), 301);
    let report: Value = serde_json::from_slice(&std::fs::read(folder.path().join("out/report.json")).unwrap()).unwrap();
    assert_eq!(report["view"], "custodian");
    let used = report["generators"][0]["generator"].as_str().expect("a generator");
    assert!(said.contains(&format!("drawn by {used} ")) && said.contains("noisy counts in 3 rounds"), "{said}");

    let state = scratch();
    let server = Server::start(state.path(), &["--dev"]);
    let lines = &said[said.find("BASE=").expect("curl lines")..];
    let lines = lines.replace("http://127.0.0.1:8080", &server.base);
    let pasted = Command::new("bash").args(["-c", &lines]).current_dir(folder.path()).output().unwrap();
    let answers = String::from_utf8_lossy(&pasted.stdout);
    assert!(pasted.status.success() && answers.contains("\"charge\""), "{lines}\n{answers}");
    let again = std::fs::read_to_string(folder.path().join("out/synthetic-by-curl.csv")).unwrap();
    assert_eq!(again.lines().count(), 301);
    assert_ne!(again, synthetic, "two jobs draw different noise");
}

#[test]
fn a_new_installation_shows_one_key_once() {
    let state = scratch();
    let first = Server::start(state.path(), &[]);
    let url = format!("{}/v1/datasets", first.base);
    let bearer = format!("Authorization: Bearer {}", first.key.as_deref().expect("a key"));
    assert!(curl(&["-H", &bearer, &url]).contains("\"items\":[]"));
    assert!(curl(&[&url]).contains("\"unauthorized\""));
    drop(first);
    let mut second = Server::start(state.path(), &["--dev"]);
    assert!(curl(&[&format!("{}/readyz", second.base)]).contains("\"ok\""), "the state survives kill -9");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(second.child.id() as i32), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    assert!(second.child.wait().unwrap().success(), "SIGTERM ends it well");
}

/// kill -9 of the server leaves neither workers nor a database server behind.
#[test]
fn a_killed_server_takes_everyone_along() {
    let state = scratch();
    let server = Server::start(state.path(), &["--dev"]);
    let folder = state.path().display().to_string();
    let with_folder = || {
        let all = Command::new("ps").args(["-eo", "pid,args"]).output().unwrap();
        let all = String::from_utf8_lossy(&all.stdout).into_owned();
        all.lines().filter(|l| l.contains(&folder)).map(str::to_owned).collect::<Vec<_>>()
    };
    let began = Instant::now();
    while with_folder().iter().filter(|l| l.contains(" work ")).count() == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "a worker starts");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    let began = Instant::now();
    while !with_folder().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "left behind: {:?}", with_folder());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn refusals_say_what_to_do() {
    let refused = |arguments: &[&str]| {
        let output =
            Command::new(PROGRAM).args(arguments).env_remove("DATABASE_URL").current_dir("/").output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["serve", "--dev", "--bind", "0.0.0.0:0"]).contains("loopback"));
    assert!(refused(&["work"]).contains("DATABASE_URL"));
    assert!(refused(&["--config", "/nowhere.toml", "serve"]).contains("nowhere.toml"));
    assert!(refused(&["demo", "/nowhere.csv", "--schema", "/nowhere.json"]).contains("nowhere"));
    assert!(refused(&[]).contains("demo"), "bare help names the first command to try");
}

/// The lines of the README after this mark.
fn lines_of_readme(mark: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    readme.split(mark).nth(1).unwrap().split("```sh\n").nth(1).unwrap().split("```").next().unwrap()
}

/// The README's path by the shell alone, from a bare server to a synthetic table.
#[test]
fn the_shell_of_the_readme() {
    let (state, folder) = (scratch(), scratch());
    let server = Server::start(state.path(), &[]);
    let rest = lines_of_readme("<!-- shell").split_once("DP2STAGE_KEY=").unwrap().1.split_once('\n').unwrap().1;
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let output = Command::new("bash")
        .args(["-c", &format!("set -eo pipefail\n{rest}")])
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()))
        .env("DP2STAGE_SERVER", &server.base)
        .env("DP2STAGE_KEY", server.key.as_deref().unwrap())
        .env("HOME", folder.path())
        .env_remove("XDG_CONFIG_HOME")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for word in
        ["uploaded 3000 rows", "wrote synthetic.csv", "succeeded", "charge", "budget_exhausted", "synthetic.csv is the"]
    {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("synthetic.csv")).unwrap().lines().count(), 3001);
}

/// The README's tour, pasted into a shell.
#[test]
fn the_tour_of_the_readme() {
    let tour = lines_of_readme("<!-- tour");
    let (state, folder) = (scratch(), scratch());
    let server = Server::start(state.path(), &[]);
    let key = server.key.as_deref().unwrap();
    let rest = tour.split_once("KEY=").unwrap().1.split_once('\n').unwrap().1;
    let lines = format!("set -e\nBASE={}\nKEY={key}\n{rest}", server.base);
    // The program as it would be installed.
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let output =
        Command::new("bash").args(["-c", &lines]).env("PATH", path).current_dir(folder.path()).output().unwrap();
    let answers = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{answers}{}", String::from_utf8_lossy(&output.stderr));
    let said = ["\"rows\":3000", "\"status\":\"succeeded\"", "\"custodian\"", "\"charge\"", "budget_exhausted"];
    for word in said.into_iter().chain([
        "the ledger is sound",
        "lines are sound",
        "synthetic.csv is the synthetic table",
        "Not promised:",
    ]) {
        assert!(answers.contains(word), "{word} is not in {answers}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("synthetic.csv")).unwrap().lines().count(), 3001);
}
