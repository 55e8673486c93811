//! A whole audit log, read again from the first line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::{AuditEntry, AuditLine, lower_hex};
use crate::privacy::Digest;

/// What the first line follows.
const FIRST: Digest = [0; 32];

/// An audit log as it is exported: the lines, and where they end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditTrail {
    /// Always `dp2stage-audit`.
    pub format: String,
    /// Always 1.
    pub version: u32,
    /// How many lines there are.
    pub entries: i64,
    /// The digest of the last line.
    #[serde(with = "lower_hex")]
    pub head: Digest,
    /// The lines in order.
    pub lines: Vec<AuditEntry>,
}

/// What is wrong with an audit log, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {seq}: {what}")]
pub struct AuditFault {
    /// The line; 0 for the log as a whole.
    pub seq: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// What a sound audit log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFindings {
    /// Lines.
    pub entries: i64,
    /// The digest of the last line.
    pub head: Digest,
    /// What was opened and never completed: it is under way, or a crash cut it off.
    pub open: Vec<AuditEntry>,
}

/// How far the reading of a log has come.
#[derive(Debug)]
pub struct AuditReading {
    entries: i64,
    head: Digest,
    open: BTreeMap<i64, AuditEntry>,
}

impl Default for AuditReading {
    fn default() -> Self {
        Self { entries: 0, head: FIRST, open: BTreeMap::new() }
    }
}

impl AuditReading {
    /// Reads the next line.
    ///
    /// # Errors
    /// A line that does not follow, or completes what is not open.
    pub fn take(&mut self, entry: &AuditEntry) -> Result<(), AuditFault> {
        let fault = |what| AuditFault { seq: entry.seq, what };
        if entry.seq != self.entries + 1 {
            return Err(fault("the lines are not numbered one after the other"));
        }
        if entry.digest != entry.digest_after(&self.head) {
            return Err(fault("the digest does not fit: this line or one before it was changed"));
        }
        match &entry.line {
            AuditLine::Opened(_) => {
                self.open.insert(entry.seq, entry.clone());
            }
            AuditLine::Completed(completion) => {
                self.open.remove(&completion.opened).ok_or(fault("it completes what is not open"))?;
            }
        }
        (self.entries, self.head) = (entry.seq, entry.digest);
        Ok(())
    }

    /// The end, which must be where it is said to be.
    ///
    /// # Errors
    /// Lines that are missing at the end, or too many.
    pub fn end(self, (entries, head): (i64, Digest)) -> Result<AuditFindings, AuditFault> {
        let whole = |what| AuditFault { seq: 0, what };
        if self.entries != entries {
            return Err(whole("it does not have as many lines as it says: some are missing at the end, or were added"));
        }
        if self.head != head {
            return Err(whole("it does not end as it says"));
        }
        Ok(AuditFindings { entries, head, open: self.open.into_values().collect() })
    }
}

impl AuditTrail {
    /// The format's name.
    pub const FORMAT: &'static str = "dp2stage-audit";
    /// The version of the format.
    pub const VERSION: u32 = 1;

    /// A log of these lines.
    #[must_use]
    pub fn new(lines: Vec<AuditEntry>) -> Self {
        let (entries, head) = (lines.len() as i64, lines.last().map_or(FIRST, |last| last.digest));
        Self { format: Self::FORMAT.to_owned(), version: Self::VERSION, entries, head, lines }
    }

    /// What an exported log begins with; its lines follow, with commas between them, and [`Self::TAIL`].
    #[must_use]
    pub fn beginning((entries, head): (i64, &Digest)) -> String {
        let (format, version, head) = (Self::FORMAT, Self::VERSION, hex::encode(head));
        format!(r#"{{"format":"{format}","version":{version},"entries":{entries},"head":"{head}","lines":["#)
    }

    /// What an exported log ends with.
    pub const TAIL: &'static str = "]}";

    /// Reads the log from its first line to its end.
    ///
    /// # Errors
    /// The first [`AuditFault`].
    pub fn verify(&self) -> Result<AuditFindings, AuditFault> {
        if self.format != Self::FORMAT || self.version != Self::VERSION {
            return Err(AuditFault { seq: 0, what: "not an audit log of a version that is known here" });
        }
        let mut reading = AuditReading::default();
        self.lines.iter().try_for_each(|line| reading.take(line))?;
        reading.end((self.entries, self.head))
    }
}
