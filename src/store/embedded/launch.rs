//! How the server is started: its command line and its log file.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;

use super::account::Account;
use super::cluster::PORT;
use super::parent_death::end_with_this_thread;
use super::{Durability, EmbeddedError};

/// A log larger than this is set aside as `postgres.log.1` before the server is started.
const LONG_LOG: u64 = 8 << 20;
/// How much of the log goes into an error.
const TAIL: u64 = 2000;

/// Everything that a start of the server needs.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub account: Account,
    pub program: PathBuf,
    pub data: PathBuf,
    pub socket: PathBuf,
    pub log: PathBuf,
    pub durability: Durability,
    pub max_connections: u32,
}

impl Launch {
    /// Starts the server as a child of the *calling thread*, with whose end it ends. Also gives the length of the log
    /// before this start.
    pub fn spawn(&self) -> Result<(Child, u64), EmbeddedError> {
        self.account.private_folder(&self.socket)?;
        let log = self.open_log().map_err(EmbeddedError::io("cannot write", &self.log))?;
        let before = log.metadata().map_or(0, |meta| meta.len());
        let errors = log.try_clone().map_err(EmbeddedError::io("cannot write", &self.log))?;
        let mut command = self.account.command(&self.program);
        command.arg("-D").arg(&self.data).args(["-p", &PORT.to_string()]);
        let socket = format!("unix_socket_directories={}", self.socket.display());
        let connections = format!("max_connections={}", self.max_connections);
        for setting in [socket.as_str(), connections.as_str()].into_iter().chain(SETTINGS) {
            command.args(["-c", setting]);
        }
        command.args(self.durability.settings()).stdout(log).stderr(errors);
        // a group of its own: Ctrl-C at the terminal must reach the service first, which drains and then stops the server
        command.process_group(0);
        end_with_this_thread(&mut command);
        let child = command.spawn().map_err(EmbeddedError::io("cannot run", &self.program))?;
        Ok((child, before))
    }

    fn open_log(&self) -> io::Result<File> {
        if fs::metadata(&self.log).is_ok_and(|meta| meta.len() > LONG_LOG) {
            fs::rename(&self.log, self.log.with_extension("log.1"))?;
        }
        File::options().create(true).append(true).open(&self.log)
    }

    /// The end of what the log gained beyond `before` bytes; empty when it cannot be read.
    pub fn log_since(&self, before: u64) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(before.max(length.saturating_sub(TAIL))))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_default()
    }
}

/// Settings on the command line win over `postgresql.conf`. The last three keep values of private tables out of the log:
/// no failed statements, no DETAIL lines ("Key (name)=(…) already exists"), no parameters.
const SETTINGS: [&str; 10] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "shared_buffers=64MB",
    "logging_collector=off",
    "log_checkpoints=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_parameter_max_length_on_error=0",
];
