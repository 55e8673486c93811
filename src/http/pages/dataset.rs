//! One dataset: its budget, its columns, its jobs, and what may be done with it.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::super::desk::Desk;
use super::super::extract::Name;
use super::super::problem::Problem;
use super::super::role::Caller;
use super::forms;
use super::frame::{moment, shown};
use super::gauge::gauge;
use super::history::{DRAWN, history};
use super::lists::job_table;
use super::viewer::Viewer;
use crate::report::count;
use crate::store::{self, CustodianKey, Dataset, JobFilter, Role, Version};

/// Jobs on the page.
const JOBS: i64 = 20;
/// Categories of a column that are written out.
const CATEGORIES: usize = 30;

/// A dataset by id or name.
pub(super) async fn page(desk: Desk, caller: Caller, viewer: Viewer, Name(name): Name) -> Result<Response, Problem> {
    let key = caller.key_for(None)?;
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    let (population, lines) = store::newest_lines(&desk.tenant, dataset.population_id, DRAWN).await?;
    let version = latest(&desk, &dataset, key.as_ref()).await?;
    let filter = JobFilter { dataset: Some(dataset.id), released: key.is_none(), ..JobFilter::default() };
    let jobs = store::list_jobs(&desk.tenant, filter, JOBS).await?;
    let custodian = viewer.may(Role::Custodian);
    let content = html! {
        p.soft { "About " (count(dataset.rows_public as usize)) " rows"
            @if let Some(persons) = dataset.persons() { " of about " (count(persons.persons_public as usize)) " persons" }
            ", declared " (moment(dataset.created_at)) "."
            @if dataset.public { " Public: jobs may train on it without spending." } }
        section aria-labelledby="budget" {
            h2 #budget { "Budget" }
            (gauge(&population.account))
            p.soft { "Many jobs cost less than the sum of their epsilons. Whatever is started, everything released of these people \
                stays within (epsilon, delta) = (" (population.account.grant.epsilon.get()) ", " (population.account.grant.delta.get()) ")." }
            (history(&population, &lines))
            @if custodian { (forms::raise(&dataset, population.account.grant.epsilon.get())) }
        }
        section aria-labelledby="start" { h2 #start { "Start a job" } (forms::job(&dataset)) }
        section aria-labelledby="jobs" {
            h2 #jobs { "Jobs" }
            @if jobs.is_empty() { p { "None yet." } } @else {
                (job_table(&jobs, key.as_ref(), false))
                p { a href=(format!("/v1/datasets/{}/comparison", dataset.id)) { "Compare the jobs that succeeded" } }
            }
        }
        section aria-labelledby="columns" { h2 #columns { "Columns" } (columns(&dataset.schema)) }
        @if custodian { section aria-labelledby="versions" { h2 #versions { "Rows" } (rows(version.as_ref())) (forms::rows(&dataset)) } }
    };
    Ok(shown(&viewer, ("", &dataset.name), &content))
}

/// The latest upload, for those who may see exact counts.
async fn latest(desk: &Desk, dataset: &Dataset, key: Option<&CustodianKey>) -> Result<Option<Version>, Problem> {
    let Some(key) = key else { return Ok(None) };
    Ok(store::latest_version(&desk.tenant, dataset.id).await?.map(|version| version.open(key)))
}

fn rows(version: Option<&Version>) -> Markup {
    html! {
        @match version {
            None => p { "There are no rows yet: jobs are refused until a table is uploaded." },
            Some(version) => p { "Version " (version.version) " has " (count(version.rows as usize)) " rows, uploaded "
                (moment(version.created_at)) ". SHA-256 of the file: " code { (version.sha256) } },
        }
    }
}

fn columns(schema: &Value) -> Markup {
    let target = schema["target"].as_str();
    html! {
        div.wide { table {
            thead { tr { th scope="col" { "Column" } th scope="col" { "Type" } th scope="col" { "Values" } th scope="col" { "May be missing" } } }
            tbody { @for column in schema["columns"].as_array().into_iter().flatten() { @let name = column["name"].as_str(); tr {
                td { (name.unwrap_or_default()) @if name == target { " " span.state { "target" } } }
                td { (column["type"].as_str().unwrap_or_default()) }
                td.text { (values(column)) }
                td { (if column["nullable"] == true { "yes" } else { "no" }) }
            } } }
        } }
    }
}

/// The declared values of a column in words.
fn values(column: &Value) -> String {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match column["categories"].as_array() {
        Some(names) => {
            let shown: Vec<String> = names.iter().take(CATEGORIES).map(plain).collect();
            let more = names.len().saturating_sub(CATEGORIES);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            format!("{}{more}", shown.join(", "))
        }
        None => format!("{} to {} by {}", plain(&column["min"]), plain(&column["max"]), plain(&column["step"])),
    }
}
