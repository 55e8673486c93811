//! `dp2stage datasets`.

use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Answer, Api, ONCE};
use super::connection::Connection;
use super::failure::Failure;
use super::job::finite;
use super::jobs::{Page, rest};
use super::output::{read_object, say, say_json};
use super::upload::{self, Media};
use super::words::{bytes, columns, moment, segment, text};

/// Which datasets.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Datasets {
    /// One, by id or name; the first 50 unless given.
    dataset: Option<String>,
    #[command(flatten)]
    page: Page,
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Option<DatasetsCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum DatasetsCommand {
    /// Declare a table and grant its budget. Everything that is said here is public.
    Declare(Declare),
    /// Upload the rows of a dataset. All of them are valid, or nothing is stored.
    Upload {
        /// Id or name of the dataset.
        dataset: String,
        /// The table: .csv, .jsonl or .parquet; the first two may be packed (.gz, .zst).
        file: PathBuf,
        #[command(flatten)]
        connection: Connection,
    },
}

/// A declaration, from a file, from flags, or both.
#[derive(Debug, clap::Args)]
struct Declare {
    /// The declaration as JSON, a file, or - for standard input. Flags go over what it says.
    #[arg(value_name = "DATASET.json")]
    file: Option<PathBuf>,
    /// Its name.
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    /// The columns, as `dp2stage schema` writes them.
    #[arg(long, value_name = "SCHEMA.json", required_unless_present = "file")]
    schema: Option<PathBuf>,
    /// About how many rows there are: a number that you are willing to publish.
    #[arg(long, value_name = "ROWS", required_unless_present = "file", value_parser = clap::value_parser!(u64).range(1..))]
    rows_public: Option<u64>,
    /// The epsilon that all jobs together may spend.
    #[arg(long, required_unless_present = "file", value_parser = finite)]
    epsilon: Option<f64>,
    /// The delta; the power of ten below 1/ROWS unless given.
    #[arg(long, value_parser = finite)]
    delta: Option<f64>,
    #[command(flatten)]
    connection: Connection,
}

/// The largest power of ten below 1/rows, from 1e-15 to 0.01.
pub fn below_one_over(rows: u64) -> f64 {
    (2..15).map(|digits| 10f64.powi(-digits)).find(|&delta| delta * (rows as f64) < 1.0).unwrap_or(1e-15)
}

impl Declare {
    fn body(&self) -> Result<Value, Failure> {
        let mut body = self.file.as_deref().map_or_else(|| Ok(json!({})), read_object)?;
        let schema = match &self.schema {
            // A whole proposal holds one.
            Some(path) => {
                let mut read = read_object(path)?;
                Some(if read["schema"].is_object() { read["schema"].take() } else { read })
            }
            None => None,
        };
        let mut put = |member: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[member] = value;
            }
        };
        put("name", self.name.as_ref().map(|name| json!(name)));
        put("schema", schema);
        put("rows_public", self.rows_public.map(|rows| json!(rows)));
        let rows = body["rows_public"].as_u64().unwrap_or(1);
        if self.epsilon.is_some() || self.delta.is_some() {
            let budget = &mut body["budget"];
            let (epsilon, delta) = (self.epsilon.map(|x| json!(x)), self.delta.map(|x| json!(x)));
            let epsilon = epsilon.unwrap_or_else(|| budget["epsilon"].take());
            let delta = delta.or_else(|| budget.get("delta").cloned()).unwrap_or_else(|| json!(below_one_over(rows)));
            *budget = json!({"epsilon": epsilon, "delta": delta});
        }
        Ok(body)
    }
}

impl Datasets {
    /// Whose flags count.
    pub fn connection(&self) -> &Connection {
        match &self.command {
            Some(DatasetsCommand::Declare(declare)) => &declare.connection,
            Some(DatasetsCommand::Upload { connection, .. }) => connection,
            None => &self.connection,
        }
    }

    /// Shows, declares or uploads.
    pub async fn run(&self) -> Result<(), Failure> {
        match (&self.command, &self.dataset) {
            (Some(DatasetsCommand::Declare(declare)), _) => {
                let body = declare.body()?;
                let answer = self.connection().open()?.post("/v1/datasets", &body, ONCE).await?;
                self.tell(&answer, declared)
            }
            (Some(DatasetsCommand::Upload { dataset, file, .. }), _) => {
                let media = Media::of(file)?;
                let answer = put(&self.connection().open()?, dataset, (file, media)).await?;
                self.tell(&answer, uploaded)
            }
            (None, Some(name)) => {
                let path = format!("/v1/datasets/{}", segment(name));
                self.tell(&self.connection().open()?.get(&path).await?, one)
            }
            (None, None) => {
                let path = format!("/v1/datasets{}", self.page.query(Vec::new()));
                self.tell(&self.connection().open()?.get(&path).await?, all)
            }
        }
    }

    fn tell(&self, answer: &Answer, words: fn(&Value) -> String) -> Result<(), Failure> {
        if self.connection().json { say_json(&answer.text) } else { say(&words(&answer.document)) }
    }
}

async fn put(api: &Api, dataset: &str, (file, media): (&std::path::Path, Media)) -> Result<Answer, Failure> {
    let request = media.mark(api.request(Method::PUT, &format!("/v1/datasets/{}/rows", segment(dataset))));
    api.read(upload::body(request, file, u64::MAX).await?, ONCE).await
}

fn declared(dataset: &Value) -> String {
    let name = text(dataset, "name");
    let ignored = dataset["ignored"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let ignored: Vec<&str> = ignored.collect();
    let ignored = if ignored.is_empty() { String::new() } else { format!("; ignored: {}", ignored.join(", ")) };
    format!("declared {name}{ignored}; `dp2stage datasets upload {name} FILE` sends its rows")
}

fn uploaded(version: &Value) -> String {
    format!("uploaded {} rows, {}; all cells fit the declared schema", version["rows"], bytes(&version["bytes"]))
}

fn all(page: &Value) -> String {
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "no datasets; `dp2stage schema FILE.csv` and `dp2stage datasets declare` make one".into();
    }
    let head = ["DATASET", "COLUMNS", "ABOUT ROWS", "ACCESS", "UPLOADED", "ID"].map(str::to_owned).to_vec();
    let row = |dataset: &Value| {
        let columns = dataset["schema"]["columns"].as_array().map_or(0, Vec::len).to_string();
        let (rows, at) = (dataset["rows_public"].to_string(), moment(&dataset["rows"]["created_at"]));
        let word = |member| text(dataset, member).to_owned();
        vec![word("name"), columns, rows, word("access"), at, word("id")]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(items.iter().map(row)).collect();
    columns(&rows) + &rest(page)
}

fn one(dataset: &Value) -> String {
    let unit = text(&dataset["privacy_unit"], "kind");
    let mut lines = vec![
        format!("dataset {} ({}), {}", text(dataset, "name"), text(dataset, "id"), text(dataset, "access")),
        format!("  about {} rows, as declared; the unit of privacy is a {unit}", dataset["rows_public"]),
    ];
    if dataset["rows"].is_object() {
        lines.push(format!("  {} rows uploaded, {}", dataset["rows"]["rows"], moment(&dataset["rows"]["created_at"])));
    }
    let row = |column: &Value| vec![format!("  {}", text(column, "name")), text(column, "type").to_owned()];
    let schema = dataset["schema"]["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.push(columns(&schema.iter().map(row).collect::<Vec<_>>()));
    lines.join("\n")
}
