//! What was found.

use std::fmt::{self, Display};

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and yet.
    Warning,
    /// Servers or workers do not start, or would lose something.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub says: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, says: impl Display) -> Self {
        Self { check, state: State::Ok, says: says.to_string(), fix: None }
    }

    /// It works, and yet.
    pub fn warning(check: &'static str, says: impl Display, fix: impl Display) -> Self {
        Self { check, state: State::Warning, says: says.to_string(), fix: Some(fix.to_string()) }
    }

    /// It does not work.
    pub fn bad(check: &'static str, says: impl Display, fix: impl Display) -> Self {
        Self { check, state: State::Bad, says: says.to_string(), fix: Some(fix.to_string()) }
    }
}

impl Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Bad => "BAD",
        };
        write!(out, "{state:<8} {:<12} {}", self.check, self.says)?;
        self.fix.iter().try_for_each(|fix| write!(out, "\n{:22}-> {fix}", ""))
    }
}

/// An error with all that is behind it, in one line.
pub fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\n', "; ")
}
