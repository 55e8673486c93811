//! A job that is waited for: a bar on a terminal, lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::api::{Answer, Api, MANY};
use super::failure::Failure;
use super::output::remark;
use super::words::{segment, span, text};
use crate::command::serve::stop_signal;

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Shows how far a job is until it is over, and gives its last view, whichever end it came to.
///
/// # Errors
/// An interruption, which leaves the job as it is; whatever a request may meet.
pub async fn follow(api: &Api, job: &str) -> Result<Answer, Failure> {
    // Before the first look: whoever sees the bar may have had enough of it at once.
    let stop = stop_signal();
    tokio::select! {
        answer = watch(api, job) => answer,
        () = stop => Err(Failure::Interrupted { job: job.to_owned() }),
    }
}

/// That a job that is over has succeeded.
pub fn succeeded(job: &Value) -> Result<(), Failure> {
    let ended = match (text(job, "status"), job["error"].as_str()) {
        ("succeeded", _) => return Ok(()),
        (status, Some(error)) => format!("{status}: {error}"),
        (status, None) => format!("was {status}"),
    };
    Err(Failure::Ended { job: text(job, "id").to_owned(), ended })
}

/// As [`follow`], deaf to interruptions.
///
/// # Errors
/// Whatever a request may meet.
pub async fn watch(api: &Api, job: &str) -> Result<Answer, Failure> {
    let path = format!("/v1/jobs/{}", segment(job));
    let mut view = Progress::new()?;
    loop {
        let answer = api.get_patiently(&path, MANY).await?;
        view.show(&answer.document);
        match text(&answer.document, "status") {
            "queued" | "running" => tokio::time::sleep(LOOK).await,
            _ => return Ok(answer),
        }
    }
}

/// What a person sees of it.
struct Progress {
    bar: ProgressBar,
    /// When something of the job was first seen to be done, and how much.
    since: Option<(Instant, f64)>,
    /// The last line where there is no bar: a stage, and tenths of the whole.
    told: (String, u32),
}

impl Progress {
    fn new() -> Result<Self, Failure> {
        let style = ProgressStyle::with_template("  {prefix:<9} [{bar:40}] {percent:>3} %  {elapsed_precise}  {msg}");
        let style = style.map_err(anyhow::Error::new)?.progress_chars("=> ");
        Ok(Self { bar: ProgressBar::new(1000).with_style(style), since: None, told: (String::new(), 0) })
    }

    fn show(&mut self, job: &Value) {
        let (status, progress) = (text(job, "status"), &job["progress"]);
        let fraction = progress["fraction"].as_f64().unwrap_or_default();
        let stage = if status == "running" { progress["stage"].as_str().unwrap_or("started") } else { status };
        let words = match status {
            "queued" => job["queue_position"].as_u64().map(|place| format!("place {place} in the queue")),
            "running" => self.left(progress, fraction).map(|seconds| format!("about {} to go", span(seconds))),
            _ => None,
        };
        let words = words.unwrap_or_default();
        self.bar.set_position((1000.0 * fraction) as u64);
        self.bar.set_prefix(stage.to_owned());
        self.bar.set_message(words.clone());
        // A log gets a line for each stage, and for each tenth of the whole.
        let told = (stage.to_owned(), (10.0 * fraction) as u32);
        if self.bar.is_hidden() && told != self.told {
            let comma = if words.is_empty() { "" } else { ", " };
            remark(&format!("  {stage}, {:.0} %{comma}{words}", 100.0 * fraction));
        }
        self.told = told;
        if !matches!(status, "queued" | "running") {
            self.bar.abandon();
        }
    }

    /// Seconds to go: the server's guess, or ours from the pace that was seen, where a key is told none.
    fn left(&mut self, progress: &Value, fraction: f64) -> Option<f64> {
        let (began, first) = *self.since.get_or_insert((Instant::now(), fraction));
        let pace = (fraction - first) / began.elapsed().as_secs_f64().max(1e-3);
        let ours = (fraction - first > 0.03).then(|| (1.0 - fraction) / pace);
        progress["eta_seconds"].as_f64().or(ours)
    }
}
