//! `dp2stage serve` as a real process.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

/// `dp2stage serve --dev` without workers, unless its environment says otherwise. Killed with its handle.
pub struct Server {
    pub child: Child,
    pub base: String,
    said: Arc<Mutex<String>>,
}

/// The program on this state folder and database.
fn program(database: &str, folder: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dp2stage"));
    command.arg("--state-dir").arg(folder).current_dir("/");
    command.env("DATABASE_URL", database).env("DP2STAGE__LOG__FILTER", "warn").stdin(Stdio::null());
    command.env("DP2STAGE__WORKERS__LOCAL", "0").envs(environment.iter().copied());
    command
}

impl Server {
    /// A server that answers.
    pub fn start(database: &str, folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::attempt(database, folder, environment).expect("a server")
    }

    /// A server that answers, or what it said on its way out.
    pub fn attempt(database: &str, folder: &Path, environment: &[(&str, &str)]) -> Result<Self, String> {
        let mut child = program(database, folder, environment)
            .args(["serve", "--dev", "--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut complaints = child.stderr.take().expect("piped");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        match lines.next() {
            Some(first) => {
                let first = first.expect("text");
                let base = first.strip_prefix("dp2stage listens on ").expect("an address").to_owned();
                // Its log goes where ours goes, and never blocks it.
                let said = Arc::new(Mutex::new(String::new()));
                let kept = said.clone();
                std::thread::spawn(move || {
                    for line in BufReader::new(complaints).lines().map_while(Result::ok) {
                        eprintln!("{line}");
                        *kept.lock().expect("unpoisoned") += &(line + "\n");
                    }
                });
                Ok(Self { child, base, said })
            }
            None => {
                let mut said = String::new();
                complaints.read_to_string(&mut said).expect("text");
                assert!(!child.wait().expect("an end").success(), "it ended well without a word: {said}");
                Err(said)
            }
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.said.lock().expect("unpoisoned").clone()
    }

    /// Another command of the program, to its end.
    pub fn command(database: &str, folder: &Path, arguments: &[&str]) -> Output {
        program(database, folder, &[]).args(arguments).output().expect("a process")
    }

    /// A figure of /proc/PID/status in bytes.
    pub fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|l| l.strip_prefix(field)).expect("a field");
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// SIGTERM, and wait until it has ended well.
    pub fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
        assert!(self.child.wait().expect("an end").success(), "a server that is asked to stop ends well");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
