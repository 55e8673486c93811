//! What is wrong with an upload, said without repeating any of it.

use serde::Serialize;

/// One place of a table and what is wrong there. Never holds text of the upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableProblem {
    /// The row, counted from 1 below the header (blank lines do not count); 0 is the header or the
    /// file as a whole.
    pub row: u64,
    /// The declared name of the column, when the fault lies in one.
    pub column: Option<String>,
    /// What is wrong, after "the cell", "the row" or "the header".
    pub reason: String,
}

impl TableProblem {
    /// A problem of a whole row, of the header or of the file.
    pub fn of_row(row: u64, reason: impl Into<String>) -> Self {
        Self { row, column: None, reason: reason.into() }
    }

    /// A problem of one cell.
    pub fn of_cell(row: u64, column: &str, reason: impl Into<String>) -> Self {
        Self { row, column: Some(column.to_owned()), reason: reason.into() }
    }
}

/// A table that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the table has {} problem(s); the first is in row {}", problems.len(), problems.first().map_or(0, |p| p.row))]
pub struct TableError {
    /// The first problems, in the order of the table; at least one.
    pub problems: Vec<TableProblem>,
    /// Whether reading stopped there, so that there may be more.
    pub stopped: bool,
}

/// What is wrong with a gzip stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GzipFault {
    /// It does not begin like gzip.
    #[error("the body is not gzip: drop Content-Encoding, or compress it")]
    NotGzip,
    /// It contradicts itself, or its checksum does not fit.
    #[error("the gzip stream is damaged: compress and send the table again")]
    Damaged,
    /// It ends too early.
    #[error("the gzip stream is cut short: send the whole file")]
    Truncated,
    /// Something that is not gzip follows its end.
    #[error("the gzip stream is followed by other bytes: send the compressed file alone")]
    Trailing,
    /// It unpacks to suspiciously much.
    #[error("the gzip stream unpacks to more than the allowed ratio: send the table uncompressed")]
    Ratio,
}

/// What is wrong with a zstd stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZstdFault {
    /// It does not begin like zstd.
    #[error("the body is not zstd: drop Content-Encoding, or compress it")]
    NotZstd,
    /// It contradicts itself, its checksum does not fit, or it needs a dictionary.
    #[error("the zstd stream is damaged, or made with a dictionary: compress and send the table again")]
    Damaged,
    /// It refers to what is too far back.
    #[error("the zstd stream needs a window of more than 8 MiB: compress without --long and --ultra, or by gzip")]
    Window,
    /// It ends too early.
    #[error("the zstd stream is cut short: send the whole file")]
    Truncated,
    /// Something that is not zstd follows its end.
    #[error("the zstd stream is followed by other bytes: send the compressed file alone")]
    Trailing,
    /// It unpacks to suspiciously much.
    #[error("the zstd stream unpacks to more than the allowed ratio: send the table uncompressed")]
    Ratio,
}

/// Why an upload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// A CSV is not what was declared.
    #[error(transparent)]
    Csv(TableError),
    /// JSON Lines are not what was declared.
    #[error(transparent)]
    JsonLines(TableError),
    /// A Parquet file is not what was declared, or is damaged.
    #[error(transparent)]
    Parquet(TableError),
    /// The compression is at fault.
    #[error(transparent)]
    Gzip(#[from] GzipFault),
    /// The compression is at fault.
    #[error(transparent)]
    Zstd(#[from] ZstdFault),
    /// The table is larger than allowed.
    #[error("the table is larger than {limit} bytes")]
    TooLarge {
        /// Most bytes after decompression.
        limit: u64,
    },
}

impl UploadError {
    /// A stable name: `csv_invalid`, `jsonl_invalid`, `parquet_invalid`, `gzip_...`, `zstd_...` or `table_too_large`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv_invalid",
            Self::JsonLines(_) => "jsonl_invalid",
            Self::Parquet(_) => "parquet_invalid",
            Self::Gzip(GzipFault::NotGzip | GzipFault::Damaged) => "gzip_invalid",
            Self::Gzip(GzipFault::Truncated) => "gzip_truncated",
            Self::Gzip(GzipFault::Trailing) => "gzip_trailing",
            Self::Gzip(GzipFault::Ratio) => "gzip_ratio",
            Self::Zstd(ZstdFault::NotZstd | ZstdFault::Damaged | ZstdFault::Window) => "zstd_invalid",
            Self::Zstd(ZstdFault::Truncated) => "zstd_truncated",
            Self::Zstd(ZstdFault::Trailing) => "zstd_trailing",
            Self::Zstd(ZstdFault::Ratio) => "zstd_ratio",
            Self::TooLarge { .. } => "table_too_large",
        }
    }
}
