//! `dp2stage jobs`.

use serde_json::{Value, json};
use uuid::Uuid;

use super::api::{Answer, SEVERAL};
use super::connection::Connection;
use super::failure::Failure;
use super::follow::{follow, succeeded};
use super::output::{say, say_json};
use super::words::{columns, moment, number, percent, segment, span, text};

/// Which jobs.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Jobs {
    /// One job; the newest 50 unless given.
    job: Option<Uuid>,
    /// Wait until it is over.
    #[arg(long, requires = "job")]
    wait: bool,
    /// Those of one dataset, by id or name.
    #[arg(long, conflicts_with = "job")]
    dataset: Option<String>,
    /// Those in one state: queued, running, succeeded, failed or cancelled.
    #[arg(long, conflicts_with = "job")]
    status: Option<String>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Option<JobsCommand>,
}

/// Which part of a list.
#[derive(Debug, clap::Args)]
pub struct Page {
    /// How many, 1 to 200.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: Option<u16>,
    /// What comes after: as the page before says.
    #[arg(long, value_name = "ID")]
    cursor: Option<Uuid>,
}

#[derive(Debug, clap::Subcommand)]
enum JobsCommand {
    /// End a job: at once when it waits, within two steps when it runs. What was charged stays charged.
    Cancel {
        /// Its id.
        job: Uuid,
        #[command(flatten)]
        connection: Connection,
    },
}

impl Page {
    /// As a query wants it, with other parameters before.
    pub fn query(&self, mut parts: Vec<String>) -> String {
        parts.extend(self.limit.map(|limit| format!("limit={limit}")));
        parts.extend(self.cursor.map(|cursor| format!("cursor={cursor}")));
        if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
    }
}

/// Where a list goes on, in a line of its own.
pub fn rest(document: &Value) -> String {
    document["next_cursor"].as_str().map(|next| format!("\nmore: --cursor {next}")).unwrap_or_default()
}

impl Jobs {
    /// Whose flags count.
    pub fn connection(&self) -> &Connection {
        match &self.command {
            Some(JobsCommand::Cancel { connection, .. }) => connection,
            None => &self.connection,
        }
    }

    /// Shows, follows or cancels.
    pub async fn run(&self) -> Result<(), Failure> {
        let api = self.connection().open()?;
        match (&self.command, self.job) {
            (Some(JobsCommand::Cancel { job, .. }), _) => {
                let answer = api.post(&format!("/v1/jobs/{job}/cancel"), &json!({}), SEVERAL).await?;
                self.tell(&answer, cancelled)
            }
            (None, Some(job)) if self.wait => {
                let answer = follow(&api, &job.to_string()).await?;
                self.tell(&answer, one)?;
                succeeded(&answer.document)
            }
            (None, Some(job)) => self.tell(&api.get(&format!("/v1/jobs/{job}")).await?, one),
            (None, None) => {
                let dataset = self.dataset.iter().map(|name| format!("dataset={}", segment(name)));
                let status = self.status.iter().map(|word| format!("status={}", segment(word)));
                let query = self.page.query(dataset.chain(status).collect());
                self.tell(&api.get(&format!("/v1/jobs{query}")).await?, all)
            }
        }
    }

    fn tell(&self, answer: &Answer, words: fn(&Value) -> String) -> Result<(), Failure> {
        if self.connection().json { say_json(&answer.text) } else { say(&words(&answer.document)) }
    }
}

fn all(page: &Value) -> String {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "no jobs; `dp2stage submit --dataset NAME --epsilon E` makes one".into();
    }
    let head = ["JOB", "STATUS", "DONE", "DATASET", "EPSILON", "SUBMITTED"].map(str::to_owned).to_vec();
    let row = |job: &Value| {
        let done = percent(&job["progress"]["fraction"]);
        let (epsilon, at) = (number(&job["request"]["epsilon"]), moment(&job["created_at"]));
        vec![
            text(job, "id").to_owned(),
            text(job, "status").to_owned(),
            done,
            text(job, "dataset").to_owned(),
            epsilon,
            at,
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(items.iter().map(row)).collect();
    columns(&rows) + &rest(page)
}

fn cancelled(job: &Value) -> String {
    match text(job, "status") {
        "running" => format!("job {} is asked to end, and does within two steps", text(job, "id")),
        status => format!("job {} is {status}", text(job, "id")),
    }
}

fn one(job: &Value) -> String {
    let (id, progress) = (text(job, "id"), &job["progress"]);
    let mut lines = vec![format!("job {id} on {}: {}", text(job, "dataset"), text(job, "status"))];
    if let Some(place) = job["queue_position"].as_u64() {
        lines.push(format!("  place {place} in the queue"));
    }
    if progress.is_object() {
        let left = progress["eta_seconds"].as_f64().filter(|_| job["status"] == "running");
        let left = left.map(|seconds| format!(", about {} to go", span(seconds))).unwrap_or_default();
        lines.push(format!("  {} done, in stage {}{left}", percent(&progress["fraction"]), text(progress, "stage")));
    }
    if let Some(error) = job["error"].as_str() {
        lines.push(format!("  error: {error}"));
    }
    let (charged, reserved) = (number(&job["epsilon"]["charged"]), number(&job["epsilon"]["reserved"]));
    lines.push(format!("  epsilon {charged} charged, {reserved} reserved, delta {}", number(&job["delta"])));
    let ended = [("submitted", "created_at"), ("started", "started_at"), ("ended", "finished_at")];
    let times = ended.into_iter().filter(|(_, member)| job[*member].is_string());
    let times: Vec<String> = times.map(|(word, member)| format!("{word} {}", moment(&job[member]))).collect();
    lines.push(format!("  {} (UTC)", times.join(", ")));
    if job["status"] == "succeeded" {
        lines.push(format!("  `dp2stage download {id}` fetches the table, with --what report or certificate the rest"));
    }
    lines.join("\n")
}
