//! More rows from a finished job's model: conditional ones, and rows to be completed.

use std::sync::Arc;

use axum::body::Body as ResponseBody;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::extract::{Body, JobId};
use super::left::Left;
use super::planning::aside;
use super::problem::{Problem, storage};
use super::results::succeeded;
use super::wishes::{SampleRequest, Wishes};
use crate::engine::{Halt, Plan, Progress, Stop, candidates, row_seconds, system_key};
use crate::privacy::Purpose;
use crate::store;
use crate::tabular::{Schema, TableWriter};

/// Most seconds that one request may write for, by the estimate.
const MAX_SECONDS: f64 = 120.0;

/// Rows are written for this many clients at a time.
const AT_ONCE: usize = 2;

/// Places for clients whose rows are being written.
#[derive(Clone)]
pub struct Writers(Arc<Semaphore>);

impl Default for Writers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Writers {
    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            let detail = "rows are being written for others: try again in a moment";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail)
        })
    }
}

/// Rows from the released model of a finished job, as many as are asked for, on conditions or completing
/// rows that are given. Nothing is charged: what the model says was paid for when it was trained.
#[utoipa::path(post, path = "/v1/jobs/{job}/samples", operation_id = "sample_rows", tag = "results",
    params(("job" = Uuid, Path, description = "id")), request_body = SampleRequest, responses(
    (status = 200, content(
        (String = "text/csv"), (String = "application/jsonl"), (String = "application/vnd.apache.parquet"))),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: the job has not succeeded", content_type = "application/problem+json"),
    (status = 410, description = "`gone`: what the job left is kept no longer", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`: no such column, a cell that is no value of its column, more rows than \
        can be written in two minutes", content_type = "application/problem+json"),
    (status = 503, description = "`unavailable`: rows are being written for others", content_type = "application/problem+json"),
))]
pub(super) async fn create(
    desk: Desk,
    JobId(id): JobId,
    Body(request): Body<SampleRequest>,
) -> Result<Response, Problem> {
    let job = succeeded(&desk, id).await?;
    let schema = store::dataset_of_job(&desk.tenant, id).await?.declared()?;
    let plan: Plan = serde_json::from_value(job.plan).map_err(|_| store::StoreError::Unreadable("a plan"))?;
    let wishes = Wishes::new(&request, &schema, &mut system_key().stream(Purpose::Pseudo, 0))?;
    affordable(&plan, &schema, &wishes, desk.workers.threads)?;
    let place = desk.writers.place()?;
    let left = Left::find(&desk, id, &plan, &wishes).await?;
    let gone = desk.stopping.child_token();
    // Dropped with this request when the client goes away: the writer stops at its next pulse.
    let _guard = gone.clone().drop_guard();
    let bytes = aside(move || {
        let _place = place;
        let table = left.write(&desk, (&plan, &schema), &wishes, &Gone(gone))?;
        let mut writer = TableWriter::new(&schema, request.format.form(), request.raw);
        let written = writer.push(&table).and_then(|mut bytes| {
            bytes.append(&mut writer.finish()?);
            Ok(bytes)
        });
        written.map_err(|fault| storage(&fault))
    });
    let kind = request.format.content_type();
    Ok(([(header::CONTENT_TYPE, kind)], ResponseBody::from(bytes.await??)).into_response())
}

/// A client that goes away, or a server that stops.
struct Gone(CancellationToken);

impl Stop for Gone {
    fn pulse(&self, _: Progress) -> Result<(), Halt> {
        if self.0.is_cancelled() { Err(Halt::Cancelled) } else { Ok(()) }
    }
}

/// Refuses what would take too long, with the number of rows that would not.
fn affordable(plan: &Plan, schema: &Schema, wishes: &Wishes, threads: usize) -> Result<(), Problem> {
    let written: usize = wishes.kinds().map(|(given, rows)| rows * candidates(schema, given, wishes.candidates)).sum();
    let seconds = written as f64 * row_seconds(plan) / threads.max(1) as f64;
    if seconds <= MAX_SECONDS {
        return Ok(());
    }
    let most = (wishes.rows() as f64 * MAX_SECONDS / seconds) as usize;
    let detail = format!(
        "this would take about {seconds:.0} seconds: ask for at most {most} rows at a time, or for fewer candidates"
    );
    Err(Problem::invalid(if wishes.kinds().count() > 1 { "given" } else { "rows" }, detail).with("rows", most))
}
