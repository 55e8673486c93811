//! Lists: jobs, workers, the audit log.

use axum::http::Uri;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::audit::{self, AuditParams};
use super::super::desk::Desk;
use super::super::extract::Params;
use super::super::job_view::shown_status;
use super::super::page::cut;
use super::super::problem::Problem;
use super::super::role::Caller;
use super::super::workers as api;
use super::frame::{moment, shown, state, with_query};
use super::history::short;
use super::viewer::Viewer;
use crate::report::figure;
use crate::store::{self, CustodianKey, Job, JobFilter, JobStatus};

/// Jobs on a page.
const JOBS: i64 = 50;

/// Which jobs.
#[derive(Deserialize)]
pub(super) struct Which {
    status: Option<JobStatus>,
    cursor: Option<Uuid>,
}

/// All jobs, newest first.
pub(super) async fn jobs(
    desk: Desk,
    caller: Caller,
    viewer: Viewer,
    Params(which): Params<Which>,
) -> Result<Response, Problem> {
    let key = caller.key_for(None)?;
    let filter = JobFilter { dataset: None, status: which.status, released: key.is_none(), before: which.cursor };
    let mut jobs = store::list_jobs(&desk.tenant, filter, JOBS + 1).await?;
    let next = cut(&mut jobs, JOBS, |job| job.id);
    let all = [JobStatus::Queued, JobStatus::Running, JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled];
    let place = which.status.map_or_else(|| "/jobs".to_owned(), |status| with_query("/jobs", "status", status.word()));
    let content = html! {
        nav.filter aria-label="Jobs by state" {
            a href="/jobs" aria-current=[which.status.is_none().then_some("page")] { "all" }
            @for status in all {
                a href=(with_query("/jobs", "status", status.word())) aria-current=[(which.status == Some(status)).then_some("page")] { (status.word()) }
            }
        }
        @if jobs.is_empty() { p { "No such job. A job is started at the page of its dataset." } } @else { (job_table(&jobs, key.as_ref(), true)) }
        @if let Some(next) = next {
            @let cursor = format!("{}cursor={next}", if place.contains('?') { "&" } else { "?" });
            p { a rel="next" href=(format!("{place}{cursor}")) { "Older jobs" } }
        }
    };
    Ok(shown(&viewer, ("/jobs", "Jobs"), &content))
}

/// Jobs as a table, with the dataset of each or without.
pub(super) fn job_table(jobs: &[Job], key: Option<&CustodianKey>, with_dataset: bool) -> Markup {
    html! {
        div.wide { table.jobs {
            thead { tr {
                th scope="col" { "Job" } th scope="col" { "State" }
                @if with_dataset { th scope="col" { "Dataset" } }
                th scope="col" { "Epsilon" } th scope="col" { "Method" } th scope="col" { "Submitted (UTC)" }
            } }
            tbody { @for job in jobs { tr {
                td { a href=(format!("/jobs/{}", job.id)) { (short(&job.id.to_string())) } }
                td { (state(shown_status(job, key))) }
                @if with_dataset { td.name { a href=(format!("/datasets/{}", job.dataset_id)) { (job.dataset_name) } } }
                td { (figure(if job.free { 0.0 } else { job.epsilon })) }
                td { (method(&job.request)) }
                td { (moment(job.created_at)) }
            } } }
        } }
    }
}

/// The method of a request in two words.
fn method(request: &Value) -> String {
    let word = |at: &str| request["method"][at].as_str().unwrap_or("-").replace('_', " ");
    format!("{} / {}", word("stage1"), word("stage2"))
}

/// A text of an answer of the API.
fn text<'a>(value: &'a Value, at: &str) -> &'a str {
    value[at].as_str().unwrap_or("-")
}

/// A moment of an answer of the API, to the second.
fn clock(value: &Value, at: &str) -> String {
    value[at].as_str().and_then(|at| at.get(..19)).unwrap_or("-").replace('T', " ")
}

/// The workers, for admins.
pub(super) async fn workers(desk: Desk, viewer: Viewer) -> Result<Response, Problem> {
    let found = serde_json::to_value(api::list(desk).await?.0).unwrap_or_default();
    let items = found["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bytes = |value: &Value| value.as_f64().map_or("-".to_owned(), |bytes| format!("{:.1} GB", bytes / 1e9));
    let content = html! {
        p.soft { "Those that were heard of within a day. A worker that is silent died or cannot reach the database; its job is \
            put back once its lease has run out." }
        @if items.is_empty() { p { "No worker. Start one with " code { "dp2stage work" } ", or let the server start them: "
            code { "workers.local" } " in its settings." } }
        div.wide { table {
            thead { tr { @for name in ["Name", "State", "Job", "Machine", "Device", "Memory", "Version", "Heard of (UTC)"] { th scope="col" { (name) } } } }
            tbody { @for worker in items { tr {
                td { (text(worker, "name")) }
                td { span class=(format!("state {}", text(worker, "state"))) { (text(worker, "state")) } }
                td { @if let Some(job) = worker["job"].as_str() { a href=(format!("/jobs/{job}")) { (short(job)) } } @else { "-" } }
                td { (text(worker, "host")) } td { (text(worker, "device")) }
                td { (bytes(&worker["used_bytes"])) " of " (bytes(&worker["memory_bytes"])) }
                td { (text(worker, "version")) } td { (clock(worker, "heartbeat_at")) }
            } } }
        } }
    };
    Ok(shown(&viewer, ("/workers", "Workers"), &content))
}

/// The audit log, for admins.
pub(super) async fn audit(
    desk: Desk,
    viewer: Viewer,
    uri: Uri,
    Params(params): Params<AuditParams>,
) -> Result<Response, Problem> {
    let found = serde_json::to_value(audit::list(desk, Params(params)).await?.0).unwrap_or_default();
    let items = found["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let content = html! {
        p.soft { "Every request that changed something, or read exact facts about rows; the newest first. Each line holds the \
            digest of the one before: " code { "dp2stage verify" } " finds whatever was changed or removed." }
        div.wide { table.narrow-first {
            thead { tr { @for name in ["Line", "When (UTC)", "Key", "Role", "What", "About", "Status"] { th scope="col" { (name) } } } }
            tbody { @for line in items { tr {
                td { (line["seq"]) } td { (clock(line, "at")) }
                td { @if let Some(key) = line["key"].as_str() { a href=(with_query("/audit", "key", key)) { code { (key) } } } @else { "-" } }
                td { (text(line, "role")) }
                td.text { code { (text(line, "method")) " " (text(line, "route")) } }
                td { @for object in line["objects"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    a href=(with_query("/audit", "object", object)) title=(object) { (short(object)) } " "
                } }
                td { @match line["status"].as_i64() { Some(status) => (status), None => "given up, or under way" } }
            } } }
        } }
        @if let Some(cursor) = found["next_cursor"].as_str() {
            p { a rel="next" href=(older(uri.query().unwrap_or_default(), cursor)) { "Older lines" } }
        }
    };
    Ok(shown(&viewer, ("/audit", "Audit log"), &content))
}

/// The same query further back.
fn older(query: &str, cursor: &str) -> String {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let pairs: Vec<&str> = kept.collect();
    let base = with_query("/audit", "cursor", cursor);
    pairs.iter().fold(base, |path, pair| format!("{path}&{pair}"))
}
