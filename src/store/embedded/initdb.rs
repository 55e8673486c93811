//! Making a new cluster, so that a crash half-way leaves nothing that looks like one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::account::Account;
use super::cluster::{DATABASE, USER};
use super::state::State;
use super::{Binaries, Durability, EmbeddedError};

/// Makes the cluster in `data.new` with its database, and only then renames it to `data`.
///
/// A `data.new` that is found was left by a crash: no server ever ran on it, so it is removed.
pub(super) fn make_cluster(
    state: &State,
    account: &Account,
    binaries: &Binaries,
    durability: Durability,
) -> Result<(), EmbeddedError> {
    let (data, unfinished) = (state.data(), state.unfinished_data());
    let has_content = fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some());
    if has_content {
        return Err(EmbeddedError::NotACluster(data));
    }
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(EmbeddedError::io("cannot clear", &unfinished)(error));
        }
        _ => {}
    }
    account.private_folder(&unfinished)?;
    let mut initdb = account.command(&binaries.dir().join("initdb"));
    initdb.arg("-D").arg(&unfinished).args(["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"]);
    initdb.arg("--no-instructions");
    if durability == Durability::TestOnly {
        initdb.arg("--no-sync");
    }
    run(initdb, "initdb", "")?;
    create_database(account, binaries, &unfinished, durability)?;
    fs::rename(&unfinished, &data).map_err(EmbeddedError::io("cannot rename to", &data))?;
    let synced = File::open(state.root()).and_then(|folder| folder.sync_all());
    synced.map_err(EmbeddedError::io("cannot sync", state.root()))
}

/// Creates the service's database with the server in single-user mode, which needs no connection.
fn create_database(
    account: &Account,
    binaries: &Binaries,
    data: &Path,
    durability: Durability,
) -> Result<(), EmbeddedError> {
    let mut single = account.command(&binaries.dir().join("postgres"));
    single.args(["--single", "-D"]).arg(data).args(durability.settings()).arg("postgres");
    run(single, "postgres --single", &format!("CREATE DATABASE {DATABASE}\n"))
}

/// Runs a helper program to its end and gives it `input`.
fn run(mut command: Command, program: &str, input: &str) -> Result<(), EmbeddedError> {
    let path = Path::new(command.get_program()).to_owned();
    let failed = || EmbeddedError::io("cannot run", &path);
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(failed())?;
    if let Some(mut stdin) = child.stdin.take() {
        // a program that does not read its input ends with a status of its own, which says more than a broken pipe
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed())?;
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    // single-user mode reports a failed statement on standard error and still ends well
    if output.status.success() && !text.contains("ERROR:") {
        return Ok(());
    }
    Err(EmbeddedError::Program { program: program.to_owned(), status: output.status.to_string(), output: text })
}
