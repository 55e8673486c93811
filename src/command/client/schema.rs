//! `dp2stage schema`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;

use super::api::ONCE;
use super::connection::Connection;
use super::failure::Failure;
use super::output::{remark, say, say_json};
use super::part::{Part, free};
use super::upload::{self, CSV, Media};
use super::words::plain;

/// A server reads so much of a table, unpacked.
const MOST: u64 = 64 << 20;

/// Which table.
#[derive(Debug, clap::Args)]
pub struct Schema {
    /// A CSV with a header; .csv or .csv.gz.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// Write it there, readable by you alone; to standard output unless given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace that file if it is there.
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    pub connection: Connection,
}

impl Schema {
    /// Has a schema proposed: the schema alone, or with --json the whole answer.
    pub async fn run(&self) -> Result<(), Failure> {
        let media = Media::of(&self.file)?;
        if media.kind != CSV || media.packing == Some("zstd") {
            return Err(Failure::Usage("schemas are proposed from CSV: .csv or .csv.gz".into()));
        }
        self.output.as_deref().map_or(Ok(()), |place| free(place, self.force))?;
        let api = self.connection.open()?;
        let request = media.mark(api.request(Method::POST, "/v1/schema-proposals"));
        let answer = api.read(upload::body(request, &self.file, self.most(media)?).await?, ONCE).await?;
        let schema = serde_json::to_string_pretty(&answer.document["schema"]).context("a schema")?;
        let text = if self.connection.json { &answer.text } else { &schema };
        match &self.output {
            None if self.connection.json => say_json(text)?,
            None => say(text)?,
            Some(place) => {
                let mut part = Part::create(place, self.force, true)?;
                writeln!(part, "{}", text.trim_end()).with_context(|| place.display().to_string())?;
                part.finish()?;
                remark(&format!("wrote {}", place.display()));
            }
        }
        if !self.connection.json {
            remark(&notes(&answer.document));
        }
        Ok(())
    }

    /// How much of the file is sent: all of it, or lines as far as a server reads.
    fn most(&self, media: Media) -> Result<u64, Failure> {
        let about = std::fs::metadata(&self.file).with_context(|| self.file.display().to_string())?;
        if about.len() <= MOST || media.packing.is_some() {
            return Ok(u64::MAX);
        }
        let bytes = last_line_end(&self.file, MOST).with_context(|| self.file.display().to_string())?;
        remark(&format!("the schema is proposed from the first {bytes} bytes of {}", about.len()));
        Ok(bytes)
    }
}

/// The bytes up to the last line end before `most`.
fn last_line_end(path: &std::path::Path, most: u64) -> std::io::Result<u64> {
    use std::os::unix::fs::FileExt;
    let mut window = vec![0; 1 << 20];
    let from = most - window.len() as u64;
    std::fs::File::open(path)?.read_exact_at(&mut window, from)?;
    Ok(window.iter().rposition(|&byte| byte == b'\n').map_or(most, |at| from + at as u64 + 1))
}

fn notes(proposal: &Value) -> String {
    let mut lines = vec![
        "this was read from private rows, and what you declare is public: take out what is not public knowledge"
            .to_owned(),
    ];
    if proposal["complete"] == false {
        lines.push("it cannot be declared as it stands: some columns need your word".into());
    }
    for (column, notes) in proposal["notes"].as_object().into_iter().flatten() {
        for note in notes.as_array().into_iter().flatten().filter_map(Value::as_str) {
            lines.push(format!("  {}: {note}", plain(column)));
        }
    }
    lines.join("\n")
}
