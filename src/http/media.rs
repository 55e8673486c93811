//! Forms and compressions of tables, as headers and parameters name them.

use axum::http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::tabular::{Form, Packing};

/// A form of tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TableFormat {
    /// RFC 4180.
    #[default]
    Csv,
    /// An object a line.
    Jsonl,
    /// Apache Parquet, with the types of the columns.
    Parquet,
}

impl TableFormat {
    /// As the writers of tables know it.
    pub fn form(self) -> Form {
        match self {
            Self::Csv => Form::Csv,
            Self::Jsonl => Form::JsonLines,
            Self::Parquet => Form::Parquet,
        }
    }

    /// What an answer says of its content.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

/// The type of a body without its parameters, and how it is packed, in small letters and as they were sent.
pub(super) fn said(headers: &HeaderMap) -> (String, String) {
    let text = |name| headers.get(name).map_or("", |v| v.to_str().unwrap_or("?"));
    let kind = text(header::CONTENT_TYPE).split(';').next().unwrap_or_default();
    (kind.trim().to_ascii_lowercase(), text(header::CONTENT_ENCODING).trim().to_ascii_lowercase())
}

/// 415 for a body of another type, or packed in another way.
pub(super) fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", detail)
}

/// What the headers of an upload say that its body is.
pub(super) fn uploaded(headers: &HeaderMap) -> Result<(Form, Packing), Problem> {
    let (kind, encoding) = said(headers);
    let form = match kind.as_str() {
        "text/csv" => Form::Csv,
        "application/jsonl" | "application/x-ndjson" | "application/ndjson" => Form::JsonLines,
        "application/vnd.apache.parquet" => Form::Parquet,
        _ => {
            let detail =
                "send the table with Content-Type: text/csv, application/jsonl or application/vnd.apache.parquet";
            return Err(unsupported(detail));
        }
    };
    let packing = match encoding.as_str() {
        "" | "identity" => Packing::Plain,
        _ if form == Form::Parquet => {
            return Err(unsupported("a Parquet file is packed within: leave Content-Encoding out"));
        }
        "gzip" => Packing::Gzip,
        "zstd" => Packing::Zstd,
        _ => return Err(unsupported("Content-Encoding may be gzip or zstd, or be left out")),
    };
    Ok((form, packing))
}

/// How an answer is packed for who sent these headers: as they like best, zstd before gzip, and not at all for those who say
/// nothing.
pub(super) fn accepted(headers: &HeaderMap) -> Packing {
    let texts = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0.0, Packing::Plain);
    for entry in texts.flat_map(|text| text.split(',')) {
        let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse::<f64>().ok());
        let weight = weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0);
        let packing = match name.trim().to_ascii_lowercase().as_str() {
            "zstd" => Packing::Zstd,
            "gzip" | "x-gzip" => Packing::Gzip,
            _ => continue,
        };
        if weight > best.0 || weight > 0.0 && weight >= best.0 && packing == Packing::Zstd {
            best = (weight, packing);
        }
    }
    best.1
}

/// The name of a compression, none for none.
pub(super) fn encoding(packing: Packing) -> Option<&'static str> {
    match packing {
        Packing::Plain => None,
        Packing::Gzip => Some("gzip"),
        Packing::Zstd => Some("zstd"),
    }
}
