//! Tables on their way in: their form is that of the ending of their file, and they are never whole in memory.

use std::path::Path;

use anyhow::Context;
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::failure::Failure;

/// How a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// The type of what is in it.
    pub kind: &'static str,
    /// How that is packed.
    pub packing: Option<&'static str>,
}

/// CSV.
pub const CSV: &str = "text/csv";

impl Media {
    /// By the ending of a name.
    ///
    /// # Errors
    /// An ending that stands for no form of tables.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let (name, packing) = match (name.strip_suffix(".gz"), name.strip_suffix(".zst")) {
            (Some(inner), _) => (inner, Some("gzip")),
            (_, Some(inner)) => (inner, Some("zstd")),
            (None, None) => (name.as_str(), None),
        };
        let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => CSV,
            Some("jsonl" | "ndjson") => "application/jsonl",
            Some("parquet") if packing.is_none() => "application/vnd.apache.parquet",
            _ => {
                let path = path.display();
                return Err(Failure::Usage(format!(
                    "what {path} holds is not known by its name: .csv, .jsonl or .parquet; the first two may be packed (.gz, .zst)"
                )));
            }
        };
        Ok(Self { kind, packing })
    }

    /// Says it with a request.
    pub fn mark(self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header(CONTENT_TYPE, self.kind);
        match self.packing {
            Some(packing) => request.header(CONTENT_ENCODING, packing),
            None => request,
        }
    }
}

/// Sends a file, of which at most so many bytes, with a bar on a terminal.
///
/// # Errors
/// A file that cannot be read.
pub async fn body(request: RequestBuilder, path: &Path, most: u64) -> Result<RequestBuilder, Failure> {
    let file = tokio::fs::File::open(path).await.with_context(|| path.display().to_string())?;
    let about = file.metadata().await.with_context(|| path.display().to_string())?;
    if about.is_dir() {
        return Err(Failure::Other(anyhow::anyhow!("{} is a folder", path.display())));
    }
    let style = ProgressStyle::with_template("  sent      [{bar:40}] {percent:>3} %  {bytes} of {total_bytes}  {eta}");
    let style = style.map_err(anyhow::Error::new)?.progress_chars("=> ");
    let bytes = about.len().min(most);
    let bar = ProgressBar::new(bytes).with_style(style);
    // Of a pipe nobody knows how long it is.
    let request = if about.is_file() { request.header(CONTENT_LENGTH, bytes) } else { request };
    let sent =
        ReaderStream::with_capacity(file.take(most), 1 << 16).inspect_ok(move |chunk| bar.inc(chunk.len() as u64));
    Ok(request.body(reqwest::Body::wrap_stream(sent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_say_what_is_in_a_file() {
        let of = |name: &str| Media::of(Path::new(name)).ok().map(|media| (media.kind, media.packing));
        assert_eq!(of("/a.b/T.CSV"), Some(("text/csv", None)));
        assert_eq!(of("t.csv.gz"), Some(("text/csv", Some("gzip"))));
        assert_eq!(of("t.ndjson.zst"), Some(("application/jsonl", Some("zstd"))));
        assert_eq!(of("t.parquet"), Some(("application/vnd.apache.parquet", None)));
        for unknown in ["t.parquet.gz", "csv", "t.xlsx", "t.gz", "/"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }
}
