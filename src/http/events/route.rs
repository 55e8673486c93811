//! `GET /v1/jobs/{job}/events`.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;

use super::super::desk::Desk;
use super::super::extract::{JobId, Params};
use super::super::job_view::stages;
use super::super::problem::Problem;
use super::super::role::{Caller, ViewParams};
use super::feed::Watched;
use super::lines::{Cursor, EventView};
use crate::store;

/// A comment is sent after this long without an event, so that nobody on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long. Clients come back with the id of the last event and miss nothing; what their
/// key may do is asked anew.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Clients come back this soon.
const RETRY: Duration = Duration::from_secs(2);
/// Whoever names an event waits this long at most for the history in which it is looked for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The history of a job and then its changes as they come, as server-sent events.
///
/// `event: status` has the state, `event: stage` a stage that began; the custodian's view has every attempt, and
/// `event: cancel` when somebody asked the job to stop. `event: progress` (`stage`, `step`, `steps`, `fraction`)
/// has no id, comes at most once a second and is not repeated.
///
/// The last event is the final state; then the stream is closed. It is also closed after a quarter of an hour and
/// when the server stops. With `Last-Event-ID` it goes on behind that event: none is lost, none comes twice. Behind the
/// last one there is 204, at which an `EventSource` stops asking.
#[utoipa::path(get, path = "/v1/jobs/{job}/events", operation_id = "stream_events", tag = "jobs",
    params(("job" = Uuid, Path, description = "id"), ViewParams,
        ("Last-Event-ID" = Option<String>, Header, description = "the `id` of the last event that arrived")),
    responses(
    (status = 200, body = EventView, content_type = "text/event-stream"),
    (status = 204, description = "the event was the last"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`: not the id of an event in this view", content_type = "application/problem+json"),
    (status = 503, description = "`too_many_streams`, with `Retry-After`", content_type = "application/problem+json"),
))]
pub(in super::super) async fn events(
    desk: Desk,
    caller: Caller,
    JobId(id): JobId,
    Params(params): Params<ViewParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = caller.key_for(params.view)?;
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let place = desk.feed.place().ok_or_else(full)?;
    let job = store::find_job(&desk.tenant, id).await?;
    let cursor = Cursor::new(key, stages(&job.plan), last)?;
    let mut history = desk.feed.watch(id);
    if last.is_some() {
        let loaded = tokio::time::timeout(PATIENCE, history.wait_for(|history| history.loaded)).await;
        let Ok(Ok(loaded)) = loaded else { return Err(away()) };
        if cursor.is_at_end(&loaded)? {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    let stopping = desk.stopping.clone();
    let end = async move {
        tokio::select! {
            () = stopping.cancelled() => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    };
    let hello = stream::once(async { Ok(Event::default().retry(RETRY)) });
    let lines = hello.chain(follow(history, cursor, place)).take_until(Box::pin(end));
    // Proxies that gather what they pass on would keep events back.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))).into_response())
}

/// Every event once, until the last; holds a place all the while.
fn follow(
    history: Watched,
    cursor: Cursor,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let state = (history, cursor, place, false);
    let batches = stream::unfold(state, async |(mut history, mut cursor, place, over)| {
        if over {
            return None;
        }
        loop {
            let now = history.borrow_and_update().clone();
            let (news, over) = (cursor.news(&now), now.is_over());
            if !news.is_empty() {
                return Some((news, (history, cursor, place, over)));
            }
            // The reader has ended: the server stops.
            if over || history.changed().await.is_err() {
                return None;
            }
        }
    });
    batches.flat_map(stream::iter).map(Ok)
}

fn full() -> Problem {
    let detail = "this server has as many event streams open as it may; ask for the job itself, or try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", "Too many streams", detail)
}

fn away() -> Problem {
    let detail = "the history of the job cannot be read right now";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail)
}
