//! One job: where it stands, live, and what it left.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::super::desk::Desk;
use super::super::extract::JobId;
use super::super::job_view::{JobView, stages};
use super::super::problem::Problem;
use super::super::role::Caller;
use super::frame::{sentence, shown};
use super::history::short;
use super::viewer::Viewer;
use crate::report::figure;
use crate::store;

/// A job. What is on the page is what the API says of it to this caller.
pub(super) async fn page(desk: Desk, caller: Caller, viewer: Viewer, JobId(id): JobId) -> Result<Response, Problem> {
    let key = caller.key_for(None)?;
    let job = store::find_job(&desk.tenant, id).await?;
    let (parts, dataset) = (stages(&job.plan), (job.dataset_id, job.dataset_name.clone()));
    let view = serde_json::to_value(JobView::load(&desk.tenant, job, key.as_ref()).await?).unwrap_or_default();
    let status = view["status"].as_str().unwrap_or_default();
    let over = !matches!(status, "queued" | "running");
    let content = html! {
        p { a href=(format!("/datasets/{}", dataset.0)) { (dataset.1) } ", epsilon "
            (figure(view["request"]["epsilon"].as_f64().unwrap_or_default())) ", delta " (figure(view["delta"].as_f64().unwrap_or_default())) }
        div data-live=[(!over).then_some(id)] {
            p.lead role="status" aria-live="polite" {
                span class=(format!("state {status}")) data-state="" { (status) }
                " " span data-said="" { (said(&view)) }
            }
            @if !over { (progress(&view)) }
            @if status != "cancelled" { (steps(&view, parts)) }
            @if !over {
                p.soft data-feed="" { "This page follows the job by itself." }
                button.quiet type="button" data-cancel=(id) { "Cancel the job" }
                p.fault data-fault="" role="alert" {}
            }
        }
        @if status == "succeeded" { (results(&view, id)) }
        section aria-labelledby="facts" { h2 #facts { "Facts" } (facts(&view)) }
    };
    Ok(shown(&viewer, ("", &format!("Job {}", short(&id.to_string()))), &content))
}

/// What the state means, and what to do.
fn said(view: &Value) -> String {
    match view["status"].as_str().unwrap_or_default() {
        "queued" => match view["queue_position"].as_i64() {
            Some(1) => "Next in the queue.".into(),
            Some(place) => format!("Number {place} in the queue."),
            None => String::new(),
        },
        "failed" => {
            let code = view["error"].as_str().unwrap_or_default();
            sentence(&format!(
                "{}. What was charged stays charged; what was only reserved was handed back",
                failure(code)
            ))
        }
        "cancelled" => "What was charged stays charged; what was only reserved was handed back.".into(),
        "running" => {
            let left = view["progress"]["eta_seconds"].as_f64();
            left.map_or_else(String::new, |seconds| format!("About {} to go.", duration(seconds)))
        }
        _ => String::new(),
    }
}

/// A failure code in words.
fn failure(code: &str) -> String {
    match code {
        "job_failed" => "it failed; its custodian can see why, you may start it anew".into(),
        "worker_lost" => {
            "workers died while they were at it, again and again (code worker_lost): see the page of workers".into()
        }
        "reservation_exhausted" => {
            "crashes used up the spare blocks that it had paid for (code reservation_exhausted): start it anew".into()
        }
        "rules_not_met" => {
            "none of the synthetic rows kept the rules of the schema (code rules_not_met): declare fewer or wider ones"
                .into()
        }
        code => format!("it failed with the code {code}; the log of the worker has the rest"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} seconds"),
        s if s < 5400.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}

fn progress(view: &Value) -> Markup {
    let fraction = view["progress"]["fraction"].as_f64().unwrap_or_default();
    html! { progress max="1" value=(format!("{fraction:.4}")) aria-label="Of the whole job" {} }
}

/// The stages in order, with the one that it is in, or ended in.
fn steps(view: &Value, stages: &[(&'static str, f64, f64)]) -> Markup {
    let (now, done) = (view["progress"]["stage"].as_str(), view["status"] == "succeeded");
    let place = stages.iter().position(|stage| Some(stage.0) == now);
    let (step, steps) = (&view["progress"]["step"], &view["progress"]["steps"]);
    let class = |i: usize| match place {
        _ if done => "done",
        Some(place) if i < place => "done",
        Some(place) if i == place => "now",
        _ => "later",
    };
    html! {
        ol.stages { @for (i, (stage, _, _)) in stages.iter().enumerate() {
            li class=(class(i)) data-stage=(stage) aria-current=[(class(i) == "now").then_some("step")] {
                (name(stage)) " " span.soft data-count="" { @if class(i) == "now" { (step) " of " (steps) } }
            }
        } }
    }
}

fn name(stage: &str) -> &'static str {
    match stage {
        "measure" => "Measure, with noise",
        "stage1" => "Stage 1: train on what costs nothing",
        "stage2" => "Stage 2: train on private rows, with noise",
        "generate" => "Draw rows",
        _ => "Compare, and write the report",
    }
}

fn results(view: &Value, id: uuid::Uuid) -> Markup {
    let link = |what: &str| view["links"][what].as_str().unwrap_or_default().to_owned();
    html! {
        section aria-labelledby="results" {
            h2 #results { "Results" }
            p { a.button href=(link("synthetic")) download { "Download the table" } " " a.button.second href=(link("report")) { "Read the report" } }
            p.soft { "The table is CSV; texts that a spreadsheet would take for formulas begin with an apostrophe ("
                a href=(format!("{}?raw=true", link("synthetic"))) download { "as they are" } "). "
                a href=(format!("/v1/jobs/{id}/certificate")) download=(format!("{id}-certificate.json")) { "The certificate" }
                " says what was promised, signed: check it with " code { "dp2stage verify FILE" } "." }
        }
    }
}

fn facts(view: &Value) -> Markup {
    let clock = |at: &str| view[at].as_str().and_then(|at| at.get(..19)).unwrap_or("-").replace('T', " ");
    let json = serde_json::to_string_pretty(&view["request"]).unwrap_or_default();
    html! {
        dl.facts {
            div { dt { "Id" } dd { code { (view["id"].as_str().unwrap_or_default()) } } }
            div { dt { "Submitted" } dd { (clock("created_at")) } }
            div { dt { "Begun" } dd { (clock("started_at")) } }
            div { dt { "Ended" } dd { (clock("finished_at")) } }
            div { dt { "Charged" } dd { "epsilon " (figure(view["epsilon"]["charged"].as_f64().unwrap_or_default())) } }
            @if let Some(attempts) = view["attempts"].as_i64() { div { dt { "Attempts" } dd { (attempts) } } }
        }
        details { summary { "The request" } div.wide { pre { code { (json) } } } }
    }
}
