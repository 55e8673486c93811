//! Which events a view has, and their text.

use axum::response::sse::Event;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::job_view::{Stages, fraction};
use super::super::problem::Problem;
use super::feed::History;
use crate::store::{CustodianKey, Happening, JobEvent, JobStatus, Standing};

/// The data of an event.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in super::super) struct EventView {
    /// With `event: status`: the state of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<JobStatus>,
    /// With `event: stage`: the stage that began.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// When; in the released view for states alone.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    at: Option<OffsetDateTime>,
    /// Claims of the job up to then that count; custodian view.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    /// The failure code, when failed, or why the job was put back; in the released view `job_failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The data of `event: progress`.
#[derive(Debug, Serialize)]
struct ProgressData<'a> {
    stage: &'a str,
    step: i32,
    steps: i32,
    fraction: f64,
}

/// How much of a history was sent, in one of the two views.
pub(super) struct Cursor {
    key: Option<CustodianKey>,
    stages: Stages,
    /// The number of the last event that was sent.
    last: i32,
    shown: Option<Standing>,
}

impl Cursor {
    /// After the event with this id, or before the first.
    pub fn new(key: Option<CustodianKey>, stages: Stages, id: Option<&str>) -> Result<Self, Problem> {
        let mut cursor = Self { key, stages, last: 0, shown: None };
        if let Some(id) = id {
            let number = id.strip_prefix(cursor.view()).and_then(|rest| rest.strip_prefix('-')?.parse().ok());
            cursor.last = number.filter(|n| *n >= 0).ok_or_else(|| cursor.unknown())?;
        }
        Ok(cursor)
    }

    /// Each view has its numbers; an id says of which it is.
    fn view(&self) -> &'static str {
        if self.key.is_some() { "custodian" } else { "released" }
    }

    fn unknown(&self) -> Problem {
        let view = self.view();
        let detail = format!("no event of this job has this id in the {view} view; leave the header out to start anew");
        Problem::invalid("header.Last-Event-ID", detail)
    }

    /// Whether there is nothing more to come; refuses an id that is not of this history.
    pub fn is_at_end(&self, history: &History) -> Result<bool, Problem> {
        let last = history.events.iter().rev().find_map(|event| self.view_of(event)).map_or(0, |(number, _, _)| number);
        if self.last > last { Err(self.unknown()) } else { Ok(self.last == last && history.is_over()) }
    }

    /// What was not sent yet.
    pub fn news(&mut self, history: &History) -> Vec<Event> {
        let mut news = Vec::new();
        for (number, name, view) in history.events.iter().filter_map(|event| self.view_of(event)) {
            if number > self.last {
                news.push(text(name, &view).id(format!("{}-{number}", self.view())));
            }
        }
        let newest = history.events.iter().rev().find_map(|event| self.view_of(event));
        self.last = newest.map_or(self.last, |(number, ..)| number.max(self.last));
        if let Some(progress) = &history.progress
            && !history.is_over()
        {
            let standing = self.key.as_ref().map_or(&progress.reached, |key| progress.exact.look(key));
            if self.shown.as_ref() != Some(standing) {
                let Standing { stage, step, steps } = standing;
                let fraction = fraction(self.stages, stage, (*step, *steps));
                news.push(text("progress", &ProgressData { stage, step: *step, steps: *steps, fraction }));
                self.shown = Some(standing.clone());
            }
        }
        news
    }

    /// Number, name and data of an event, where this view has it.
    fn view_of(&self, event: &JobEvent) -> Option<(i32, &'static str, EventView)> {
        let (number, happening, mut view) = match &self.key {
            Some(key) => {
                let exact = event.exact.look(key);
                let (at, attempt, error) = (Some(exact.at), Some(exact.attempt), exact.error.clone());
                (exact.number, &exact.happening, EventView { at, attempt, error, ..EventView::default() })
            }
            None => {
                let released = event.released.as_ref()?;
                // Analysts learn that it failed; why may depend on rows.
                let failed = released.happening == Happening::Status(JobStatus::Failed);
                let error = failed.then(|| "job_failed".to_owned());
                (released.number, &released.happening, EventView { at: released.at, error, ..EventView::default() })
            }
        };
        let name = match happening {
            Happening::Status(status) => {
                view.status = Some(*status);
                "status"
            }
            Happening::Stage(stage) => {
                view.stage = Some(stage.clone());
                "stage"
            }
            Happening::CancelRequested => "cancel",
        };
        Some((number, name, view))
    }
}

fn text(name: &str, data: &impl Serialize) -> Event {
    // Names, numbers and moments: there is nothing that could fail to be JSON, and no line end in it.
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}
