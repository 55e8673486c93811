//! `dp2stage download`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};
use reqwest::{Method, RequestBuilder, Response};
use uuid::Uuid;
use zstd::stream::write::Decoder;

use super::api::{Api, SEVERAL};
use super::connection::Connection;
use super::failure::Failure;
use super::output::say;
use super::part::{Part, free};
use super::words::text;

/// A server that sends nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(60);

/// What a job left.
#[derive(Debug, clap::Args)]
pub struct Download {
    /// The job.
    job: Uuid,
    /// What of it.
    #[arg(long, value_enum, default_value_t)]
    what: What,
    /// The form of the table (csv unless given), or of the report (json or html).
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The first so many rows of the table.
    #[arg(long)]
    rows: Option<u64>,
    /// Texts as they were declared: no apostrophe before what a spreadsheet would take for a formula.
    #[arg(long)]
    raw: bool,
    /// Where to, or - for standard output; JOB.csv, JOB-report.json and so on in this folder unless given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace that file if it is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// Things that a job leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The synthetic table, which may leave the house.
    #[default]
    Synthetic,
    /// The report; a custodian's compares with private rows.
    Report,
    /// The signed certificate. `dp2stage verify FILE` checks it without a server.
    Certificate,
    /// The ledger of the job's budget, for `dp2stage verify CERTIFICATE --ledger FILE`.
    Ledger,
    /// The server's public keys, for `dp2stage verify CERTIFICATE --key FILE`.
    Keys,
}

/// Forms of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with a header.
    Csv,
    /// An object a line.
    Jsonl,
    /// A table with types.
    Parquet,
    /// One document.
    Json,
    /// A page.
    Html,
}

impl Format {
    /// That of a table, by the ending of its name.
    ///
    /// # Errors
    /// An ending that stands for none.
    pub fn of_ending(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Failure::Usage(format!("{} does not end in .csv, .jsonl or .parquet", path.display()))),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Html => "html",
        }
    }
}

/// What is fetched of which job.
pub struct Wanted {
    job: String,
    what: What,
    form: Format,
    query: String,
}

impl Wanted {
    /// The synthetic table of a job.
    pub fn table(job: &str, form: Format) -> Self {
        Self { job: job.to_owned(), what: What::Synthetic, form, query: String::new() }
    }
}

impl Download {
    /// Fetches it.
    pub async fn run(&self) -> Result<(), Failure> {
        let wanted = self.wanted()?;
        if self.output.as_deref() == Some(Path::new("-")) {
            if wanted.form == Format::Parquet && io::stdout().is_terminal() {
                return Err(Failure::Usage("Parquet is nothing to look at: name a file with --output".into()));
            }
            let response = fetch(&self.connection.open()?, &wanted).await?;
            return copy(response, io::stdout().lock()).await;
        }
        let place = self.output.clone().unwrap_or_else(|| usual(&wanted));
        free(&place, self.force)?;
        save(&self.connection.open()?, &wanted, (&place, self.force)).await?;
        if self.connection.json {
            return say(&serde_json::json!({"file": place}).to_string());
        }
        say(&format!("wrote {}", place.display()))
    }

    fn wanted(&self) -> Result<Wanted, Failure> {
        let by_name = self.output.as_deref().and_then(|path| Format::of_ending(path).ok());
        let form = match (self.what, self.format) {
            (What::Synthetic, None) => by_name.unwrap_or(Format::Csv),
            (What::Synthetic, Some(form @ (Format::Csv | Format::Jsonl | Format::Parquet)))
            | (What::Report, Some(form @ (Format::Json | Format::Html))) => form,
            (What::Report, None) if self.output.as_deref().is_some_and(|p| p.extension() == Some("html".as_ref())) => {
                Format::Html
            }
            (What::Report | What::Certificate | What::Ledger | What::Keys, None | Some(Format::Json)) => Format::Json,
            (_, Some(_)) => {
                let forms = "tables are csv, jsonl or parquet, reports json or html, and everything else is json";
                return Err(Failure::Usage(forms.into()));
            }
        };
        let rows = self.rows.map(|rows| format!("&rows={rows}")).unwrap_or_default();
        let raw = if self.raw { "&raw=true" } else { "" };
        if self.what != What::Synthetic && (self.raw || self.rows.is_some()) {
            return Err(Failure::Usage("--rows and --raw are for the synthetic table".into()));
        }
        Ok(Wanted { job: self.job.to_string(), what: self.what, form, query: rows + raw })
    }
}

/// Its name in this folder.
fn usual(wanted: &Wanted) -> PathBuf {
    let (job, ending) = (&wanted.job, wanted.form.word());
    PathBuf::from(match wanted.what {
        What::Synthetic => format!("{job}.{ending}"),
        What::Report => format!("{job}-report.{ending}"),
        What::Certificate => format!("{job}-certificate.json"),
        What::Ledger => format!("{job}-ledger.json"),
        What::Keys => "dp2stage-keys.json".into(),
    })
}

/// Writes it to a file, whole or not at all.
pub async fn save(api: &Api, wanted: &Wanted, (place, force): (&Path, bool)) -> Result<(), Failure> {
    let response = fetch(api, wanted).await?;
    let mut part = Part::create(place, force, matches!(wanted.what, What::Report | What::Ledger))?;
    copy(response, &mut part).await?;
    part.finish()
}

async fn fetch(api: &Api, wanted: &Wanted) -> Result<Response, Failure> {
    let Wanted { job, what, form, query } = wanted;
    let path = match what {
        What::Synthetic => format!("/v1/jobs/{job}/synthetic?format={}{query}", form.word()),
        What::Report => format!("/v1/jobs/{job}/report"),
        What::Certificate => format!("/v1/jobs/{job}/certificate"),
        What::Ledger => {
            let view = api.get(&format!("/v1/jobs/{job}")).await?;
            format!("{}/ledger", text(&view.document["links"], "dataset"))
        }
        What::Keys => "/v1/certificate-keys".into(),
    };
    let request = api.request(Method::GET, &path);
    let request = if *form == Format::Html { request.header(ACCEPT, "text/html") } else { request };
    api.send(packed(request), SEVERAL).await
}

/// Says that the answer may be compressed.
fn packed(request: RequestBuilder) -> RequestBuilder {
    request.header(ACCEPT_ENCODING, "zstd")
}

/// Writes a body as it comes, unpacked.
async fn copy(response: Response, out: impl Write) -> Result<(), Failure> {
    let zstd = response.headers().get(CONTENT_ENCODING).is_some_and(|packing| packing == "zstd");
    if !zstd {
        return pour(response, out).await;
    }
    pour(response, Decoder::new(out).context("zstd")?).await
}

async fn pour(mut response: Response, mut out: impl Write) -> Result<(), Failure> {
    loop {
        let broken =
            |cause: String| Failure::BrokenOff(format!("the answer broke off ({cause}); nothing of it was kept"));
        let next = tokio::time::timeout(SILENCE, response.chunk()).await;
        let next = next.map_err(|_| broken("nothing came for a minute".into()))?;
        let Some(chunk) = next.map_err(|error| broken(error.without_url().to_string()))? else { break };
        match out.write_all(&chunk) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other.context("what came cannot be written")?,
        }
    }
    out.flush().context("what came cannot be written")?;
    Ok(())
}
