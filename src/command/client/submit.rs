//! `dp2stage submit`.

use std::path::PathBuf;

use reqwest::Method;
use uuid::Uuid;

use super::api::{Answer, Api, SEVERAL};
use super::connection::Connection;
use super::download::{self, Format, Wanted};
use super::failure::Failure;
use super::follow::{follow, succeeded};
use super::job::JobArguments;
use super::output::{remark, say, say_json};
use super::part::free;
use super::words::text;

/// A job, and what to do until it is over.
#[derive(Debug, clap::Args)]
pub struct Submit {
    #[command(flatten)]
    job: JobArguments,
    /// The same key makes no second job: for a repetition after an answer that was lost. A new one is made, and printed on
    /// standard error, unless given.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until the job is over.
    #[arg(long)]
    wait: bool,
    /// Wait, and write the synthetic table there; its form is that of the ending: .csv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    pub connection: Connection,
}

impl Submit {
    /// Submits, and waits where that is wished for.
    pub async fn run(&self) -> Result<(), Failure> {
        let body = self.job.body()?;
        // What would fail in the end fails before anything is spent.
        let form = self.output.as_deref().map(Format::of_ending).transpose()?;
        self.output.as_deref().map_or(Ok(()), |place| free(place, self.force))?;
        let api = self.connection.open()?;
        let key = self.idempotency_key.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
        if self.idempotency_key.is_none() {
            remark(&format!("if no answer comes, the same again with --idempotency-key {key} makes no second job"));
        }
        let request = api.request(Method::POST, "/v1/jobs").header("idempotency-key", key).json(&body);
        let accepted = api.read(request, SEVERAL).await?;
        let id = text(&accepted.document, "id").to_owned();
        let last = if self.wait || self.output.is_some() {
            remark(&format!("job {id} is submitted"));
            follow(&api, &id).await?
        } else {
            accepted
        };
        self.tell(&last)?;
        if self.wait || self.output.is_some() {
            succeeded(&last.document)?;
        }
        match (&self.output, form) {
            (Some(place), Some(form)) => self.fetch(&api, &id, (place.clone(), form)).await,
            _ => Ok(()),
        }
    }

    fn tell(&self, job: &Answer) -> Result<(), Failure> {
        if self.connection.json {
            return say_json(&job.text);
        }
        let (id, status) = (text(&job.document, "id"), text(&job.document, "status"));
        match (status, &self.output) {
            ("succeeded", Some(_)) => Ok(()),
            ("succeeded", None) => say(&format!("job {id} succeeded; `dp2stage download {id}` fetches its table")),
            ("failed" | "cancelled", _) => Ok(()),
            _ => {
                let place = job.document["queue_position"].as_u64();
                let place = place.map(|place| format!(", place {place} in the queue")).unwrap_or_default();
                say(&format!("job {id} is {status}{place}; `dp2stage jobs {id} --wait` follows it"))
            }
        }
    }

    async fn fetch(&self, api: &Api, id: &str, (place, form): (PathBuf, Format)) -> Result<(), Failure> {
        let wanted = Wanted::table(id, form);
        download::save(api, &wanted, (&place, self.force)).await?;
        // With --json the job's document is all there is on standard output.
        if self.connection.json {
            return Ok(());
        }
        say(&format!("job {id} succeeded; wrote {}", place.display()))
    }
}
