//! Commands and flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use dp2stage::{http, store};

use super::attested::Against;
use super::client::{ClientCommand, ENDINGS};
use super::demo::DemoArguments;
use super::{account, completions, demo, doctor, dumps, key, logging, models, recover, serve, service, verify, work};
use crate::config::Config;

/// Turns private tables into differentially private synthetic tables with language models.
///
/// Try `dp2stage demo` first: a whole job on this machine in a few minutes.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_long_help = ENDINGS)]
pub struct Cli {
    /// The settings; config.toml in the working directory unless given.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of everything that is kept.
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and run the local workers.
    Serve {
        /// Address and port; port 0 takes a free one.
        #[arg(long, value_name = "ADDRESS")]
        bind: Option<SocketAddr>,
        /// Ask for no key. On loopback only.
        #[arg(long)]
        dev: bool,
    },
    /// Run a worker that joins the installation behind DATABASE_URL and the state folder.
    Work {
        /// The name under which its leases are held.
        #[arg(long)]
        name: Option<String>,
        /// Drain when this parent process ends.
        #[arg(long, hide = true, value_name = "PID")]
        tied_to: Option<u32>,
    },
    /// Run a whole job on this machine: upload, training, download, report.
    Demo(DemoArguments),
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Bring the database up to date, then end.
    Migrate,
    /// Keys of the API, the key of certificates, and those of the storage.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Ready-made models: without a command, lists those that are declared and which of their files are here.
    Models {
        #[command(subcommand)]
        command: Option<ModelsCommand>,
    },
    /// Privacy accounting, one JSON case a line: {"id", "delta", "q", "sigma", "steps"} or {"id",
    /// "delta", "events": [{"q", "sigma", "steps"}]} gives epsilon; {"id", "delta", "epsilon", "q",
    /// "steps"} gives sigma. q = 1 is a plain Gaussian.
    Account,
    /// Read a ledger or the audit log from its first line, or a certificate, and compute everything again; all ledgers and
    /// the audit log of the database without a file.
    Verify {
        /// A ledger as `GET /v1/datasets/{dataset}/ledger` gives it, a certificate as `GET /v1/jobs/{job}/certificate` does,
        /// or the audit log as `GET /v1/audit/chain` does.
        file: Option<PathBuf>,
        /// What a certificate is checked with.
        #[command(flatten)]
        against: Against,
    },
    /// After the database was restored from a backup: write back what was spent since. No server may run.
    Recover,
    /// Look at everything that a server and its workers need, and say what to mend. Changes nothing.
    Doctor {
        /// What was found as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print what a shell needs to complete command lines: `source <(dp2stage completions bash)`.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key and print it once.
    Create(key::Wanted),
    /// List all keys, without what is secret.
    List,
    /// Revoke a key: servers refuse it within a second.
    Revoke {
        /// The public part of the key, as `list` shows it: between `dp2_` and the secret.
        id: String,
        /// Revoke the last admin key that opens anything, too.
        #[arg(long)]
        even_the_last: bool,
    },
    /// Make a new key that certificates are signed with, in the place of the old one. What the old one signed stays
    /// valid. Servers sign with the new one from their next start.
    RotateCertificate,
    /// Make a new storage key and wrap the keys of all blobs under it. Blobs are not touched, nothing has to stop, and the
    /// old ones stay until they are dropped.
    RotateStorage {
        /// Make none: the new one stands before the others in the settings, or in the file, already.
        #[arg(long)]
        re_wrap: bool,
    },
    /// Drop the storage keys but the newest: what was deleted before is beyond reach then, old backups of the database
    /// included.
    DropStorage,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Download the files of a model ahead of time, by revision and SHA-256.
    Fetch {
        /// Its name in config.toml.
        name: String,
    },
    /// Download the files of a model and print their digests for config.toml.
    Pin {
        /// Its name in config.toml.
        name: String,
    },
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<()> {
        if let Command::Openapi = self.command {
            print!("{}", http::document().to_yaml()?);
            return Ok(());
        }
        if let Command::Account = self.command {
            return Ok(account::run(std::io::stdin().lock(), std::io::stdout().lock())?);
        }
        if let Command::Doctor { json } = self.command {
            return doctor::run(self.config.as_deref(), self.state_dir.as_deref(), json);
        }
        if let Command::Verify { file: Some(file), against } = &self.command {
            return verify::file(file, against);
        }
        if let Command::Completions { shell } = self.command {
            return completions::print(shell);
        }
        // Whatever has keys or rows in its memory leaves none of them on a disk.
        dumps::forbid()?;
        // Clients have neither settings nor a state of their own.
        if let Command::Client(command) = &self.command {
            return Ok(command.run()?);
        }
        let mut config = Config::load(self.config.as_deref())?;
        if self.state_dir.is_some() {
            config.server.state_dir = self.state_dir;
        }
        let runtime = tokio::runtime::Runtime::new()?;
        let _entered = runtime.enter();
        let _logging = logging::start(&config.log, matches!(self.command, Command::Demo(_)))?;
        runtime.block_on(async {
            match self.command {
                Command::Serve { bind, dev } => {
                    config.server.bind = bind.unwrap_or(config.server.bind);
                    serve::run(config, dev).await
                }
                Command::Work { name, tied_to } => work::run(config, name, tied_to).await,
                Command::Demo(arguments) => demo::run(config, arguments).await,
                Command::Migrate => {
                    let database = service::Database::open(&config).await?;
                    store::migrate(&database.pool).await?;
                    database.close().await
                }
                Command::Key(KeyCommand::Create(wanted)) => key::create(config, wanted).await,
                Command::Key(KeyCommand::List) => key::list(config).await,
                Command::Key(KeyCommand::Revoke { id, even_the_last }) => key::revoke(config, &id, even_the_last).await,
                Command::Key(KeyCommand::RotateCertificate) => key::rotate_certificate(config).await,
                Command::Key(KeyCommand::RotateStorage { re_wrap }) => key::rotate_storage(config, re_wrap).await,
                Command::Key(KeyCommand::DropStorage) => key::drop_storage(config).await,
                Command::Models { command: None } => models::list(&config),
                Command::Models { command: Some(ModelsCommand::Fetch { name }) } => models::fetch(&config, &name).await,
                Command::Models { command: Some(ModelsCommand::Pin { name }) } => models::pin(&config, &name).await,
                Command::Recover => recover::run(config).await,
                Command::Verify { .. } => verify::database(config).await,
                Command::Openapi
                | Command::Account
                | Command::Completions { .. }
                | Command::Client(_)
                | Command::Doctor { .. } => Ok(()),
            }
        })
    }
}
