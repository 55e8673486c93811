//! How a command that talks to a server ends, and the codes by which scripts tell.

use super::problem::Problem;

/// What the help says of it.
pub const ENDINGS: &str = "Exit codes of commands that talk to a server:
  0    done
  1    anything unforeseen, and trouble with files of this machine
  2    the command line is wrong; nothing was asked
  3    the server refused (4xx); with --json its problem document is on standard output
  4    the budget does not allow it
  5    the server cannot be reached, or not now (5xx, 429), after several tries
  6    the job failed, or was cancelled, while it was waited for
  130  interrupted while a job was waited for, which goes on";

/// Why a command did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for makes no sense; nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// What the server answered, and what of it is no success.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Nobody answers.
    #[error(
        "{server} does not answer ({cause}): start a server with `dp2stage serve`, or say where one is with --server URL \
         or DP2STAGE_SERVER"
    )]
    Unreachable {
        /// The address.
        server: String,
        /// The root of it.
        cause: String,
    },
    /// Nobody answers any more.
    #[error("{0}")]
    BrokenOff(String),
    /// An estimate that is no good.
    #[error("{reason}")]
    Unfit {
        /// Whether it is the budget that does not allow it; else the memory.
        budget: bool,
        /// What does not fit, and what would.
        reason: String,
    },
    /// The job that was waited for has no result.
    #[error("job {job} {ended}; `dp2stage jobs {job}` shows it")]
    Ended {
        /// Its id.
        job: String,
        /// How it ended.
        ended: String,
    },
    /// Somebody had enough of waiting.
    #[error(
        "interrupted, and job {job} goes on: `dp2stage jobs {job} --wait` comes back to it, `dp2stage jobs cancel {job}` ends it"
    )]
    Interrupted {
        /// Its id.
        job: String,
    },
    /// Trouble on this machine.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

// Its message holds its causes already, so it is no source.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(problem) => match (problem.status, problem.code()) {
                (_, "budget_exhausted") => 4,
                (429 | 500..=599, _) => 5,
                (400..=499, _) => 3,
                _ => 1,
            },
            Self::Unfit { budget: true, .. } => 4,
            Self::Unfit { budget: false, .. } => 3,
            Self::Unreachable { .. } | Self::BrokenOff(_) => 5,
            Self::Ended { .. } => 6,
            Self::Interrupted { .. } => 130,
        }
    }

    /// The server's own words, for scripts.
    pub fn document(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) if problem.document.is_object() => Some(&problem.text),
            _ => None,
        }
    }
}
