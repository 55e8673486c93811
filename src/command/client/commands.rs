//! The commands, and how each of them ends.

use super::budget::Budget;
use super::connection::Connection;
use super::datasets::Datasets;
use super::download::Download;
use super::estimate::Estimate;
use super::failure::{ENDINGS, Failure};
use super::jobs::Jobs;
use super::output::say_json;
use super::schema::Schema;
use super::submit::Submit;

/// Commands that talk to a running server.
#[derive(Debug, clap::Subcommand)]
pub enum ClientCommand {
    /// Ask a server for a job: from flags, from a JSON file, or - for standard input.
    #[command(after_help = ENDINGS)]
    Submit(Submit),
    /// Ask what a job would cost and whether it fits: the flags of `submit`, and nothing is spent.
    #[command(after_help = ENDINGS)]
    Estimate(Estimate),
    /// List jobs of a server, show or follow one, or cancel it.
    #[command(after_help = ENDINGS)]
    Jobs(Jobs),
    /// Fetch what a job left: the synthetic table, the report, the certificate.
    #[command(after_help = ENDINGS)]
    Download(Download),
    /// List datasets of a server, show or declare one, or upload its rows.
    #[command(after_help = ENDINGS)]
    Datasets(Datasets),
    /// Have a server propose the schema of a CSV, to be edited and then declared.
    #[command(after_help = ENDINGS)]
    Schema(Schema),
    /// Show where the budget of a dataset went.
    #[command(after_help = ENDINGS)]
    Budget(Budget),
}

impl ClientCommand {
    /// Runs it. With --json a refusal is on standard output too, as the server said it.
    pub fn run(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(anyhow::Error::new)?;
        let done = runtime.block_on(async {
            match self {
                Self::Submit(submit) => submit.run().await,
                Self::Estimate(estimate) => estimate.run().await,
                Self::Jobs(jobs) => jobs.run().await,
                Self::Download(download) => download.run().await,
                Self::Datasets(datasets) => datasets.run().await,
                Self::Schema(schema) => schema.run().await,
                Self::Budget(budget) => budget.run().await,
            }
        });
        // A file that is still being read keeps nobody waiting.
        runtime.shutdown_background();
        if let Err(failure) = &done
            && self.connection().json
            && let Some(document) = failure.document()
        {
            say_json(document)?;
        }
        done
    }

    fn connection(&self) -> &Connection {
        match self {
            Self::Submit(submit) => &submit.connection,
            Self::Estimate(estimate) => &estimate.connection,
            Self::Jobs(jobs) => jobs.connection(),
            Self::Download(download) => &download.connection,
            Self::Datasets(datasets) => datasets.connection(),
            Self::Schema(schema) => &schema.connection,
            Self::Budget(budget) => &budget.connection,
        }
    }
}
