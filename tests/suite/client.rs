//! The commands that talk to a server, as real processes in a home of their own.

mod ends;
mod journey;
mod keys;
mod quickstart;
mod scripted;
mod tries;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use dp2stage::store::Role;
use dp2stage::tabular::UploadLimits;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{TestApi, scratch};

/// Somebody at a terminal, without settings, a state folder, or anything in the environment.
struct Person {
    home: TempDir,
    server: String,
    key: Option<String>,
}

/// What a command came to.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// The output, where the code is this one.
    #[track_caller]
    fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self.out
    }

    /// What is on standard error, where the code is this one.
    #[track_caller]
    fn complains(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self.err
    }

    /// The output as one JSON document.
    #[track_caller]
    fn json(self, code: i32) -> Value {
        let out = self.expect(code);
        serde_json::from_str(&out).unwrap_or_else(|fault| panic!("{fault}: {out}"))
    }
}

impl Person {
    fn at(server: &str, key: Option<String>) -> Self {
        Self { home: scratch(), server: server.to_owned(), key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dp2stage"));
        command.args(arguments).env_clear().env("HOME", self.home.path()).env("DP2STAGE_SERVER", &self.server);
        // Whoever starts a database here fails.
        command.env("PG_BIN_DIR", "/nowhere").current_dir(self.home.path());
        if let Some(key) = &self.key {
            command.env("DP2STAGE_KEY", key);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs it to its end. The key is never in what it says.
    async fn run(&self, arguments: &[&str]) -> Said {
        self.ended(self.command(arguments)).await
    }

    async fn ended(&self, mut command: Command) -> Said {
        let output = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("an end of its own");
        let said = Said { code, out: text(output.stdout), err: text(output.stderr) };
        let secret = self.key.as_deref().and_then(|key| key.rsplit('_').next()).unwrap_or("no secret");
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{said:?}");
        said
    }
}

/// An API that asks for keys, and its custodian.
async fn custodian() -> (TestApi, Person) {
    let api = TestApi::start(false, UploadLimits::default()).await;
    let key = api.token(Role::Custodian).await;
    let person = Person::at(&api.base, Some(key));
    (api, person)
}

/// An open API with the clinic, and somebody without a key.
async fn clinic(epsilon: f64, rows: usize) -> (TestApi, Person) {
    let api = TestApi::open().await;
    api.clinic(epsilon, rows).await;
    let person = Person::at(&api.base, None);
    (api, person)
}

/// Makes a file its owner's alone, or everybody's.
fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
