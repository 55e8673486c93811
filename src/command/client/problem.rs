//! What a server says when it refuses, in one or two sentences.

use std::fmt;

use serde_json::Value;

use super::words::plain;

/// An answer that is no success.
#[derive(Debug)]
pub struct Problem {
    /// The status.
    pub status: u16,
    /// The body as it came.
    pub text: String,
    /// The problem document; null where it is none.
    pub document: Value,
}

impl Problem {
    /// Of a status and a body.
    pub fn new(status: u16, text: String) -> Self {
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let document = if document["code"].is_string() { document } else { Value::Null };
        Self { status, text, document }
    }

    /// The stable word for it; empty where there is none.
    pub fn code(&self) -> &str {
        self.document["code"].as_str().unwrap_or_default()
    }

    /// What to do next, where the server cannot know it.
    fn advice(&self) -> &'static str {
        match self.code() {
            "unauthorized" => "\n  say which key is yours: --key-file FILE, DP2STAGE_KEY, or the file client.toml",
            "forbidden" => "\n  it takes a key with another role",
            "budget_exhausted" => "\n  `dp2stage budget DATASET` shows where it went",
            "idempotency_mismatch" => "\n  leave --idempotency-key out, and a new one is made",
            _ => "",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let member = |name: &str| plain(self.document[name].as_str().unwrap_or_default());
        if self.document.is_null() {
            let status = self.status;
            return write!(f, "the answer is {status}, and not one of a dp2stage server: is the address right?");
        }
        write!(f, "{}: {} ({})", member("title"), member("detail"), member("code"))?;
        for fault in self.document["problems"].as_array().into_iter().flatten() {
            let column = fault["column"].as_str().map(|c| format!(", column {}", plain(c))).unwrap_or_default();
            write!(f, "\n  row {}{column}: {}", fault["row"], plain(fault["reason"].as_str().unwrap_or_default()))?;
        }
        f.write_str(self.advice())
    }
}
