//! How large an upload and its parts may be. Memory is bounded by these whatever is sent.

use std::time::Duration;

/// The limits of one upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes of one line, quotes removed.
    pub line_bytes: usize,
    /// Bytes of one cell, quotes removed.
    pub cell_bytes: usize,
    /// Fields of one line.
    pub fields: usize,
    /// Rows below the header.
    pub rows: u64,
    /// Problems that are collected before reading stops.
    pub problems: usize,
    /// Bytes of the table after decompression.
    pub table_bytes: u64,
    /// Bytes that one compressed byte may stand for, once `grace` is used up.
    pub ratio: u64,
    /// Decompressed bytes below which the ratio is not looked at.
    pub grace: u64,
    /// A client that sends nothing for this long is cut off.
    pub patience: Duration,
    /// And so is one that, beyond that, sends fewer bytes a second than these.
    pub least_rate: u64,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            cell_bytes: 4096,
            fields: super::MAX_COLUMNS,
            rows: 50_000_000,
            problems: 20,
            table_bytes: 4 << 30,
            ratio: 50,
            grace: 1 << 20,
            patience: Duration::from_secs(30),
            least_rate: 1 << 10,
        }
    }
}
