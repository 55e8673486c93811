//! The first page: datasets with their budgets, and the newest jobs.

use axum::response::Response;
use maud::{Markup, html};

use super::super::desk::Desk;
use super::super::extract::Params;
use super::super::page::{PageParams, cut};
use super::super::problem::Problem;
use super::super::role::Caller;
use super::frame::{shown, with_query};
use super::gauge::gauge;
use super::lists::job_table;
use super::viewer::Viewer;
use crate::store::{self, Dataset, JobFilter, Population, Role};

/// Datasets on a page.
const DATASETS: i64 = 20;
/// Jobs below them.
const JOBS: i64 = 8;

/// Datasets with their budgets.
pub(super) async fn page(
    desk: Desk,
    caller: Caller,
    viewer: Viewer,
    Params(params): Params<PageParams>,
) -> Result<Response, Problem> {
    let mut datasets = Vec::new();
    for dataset in store::list_datasets(&desk.tenant, params.cursor, DATASETS + 1).await? {
        let population = store::population(&desk.tenant, dataset.population_id).await?;
        datasets.push((dataset, population));
    }
    let next = cut(&mut datasets, DATASETS, |(dataset, _): &(Dataset, Population)| dataset.id);
    let key = caller.key_for(params.view)?;
    let filter = JobFilter { released: key.is_none(), ..JobFilter::default() };
    let jobs = store::list_jobs(&desk.tenant, filter, JOBS).await?;
    let content = html! {
        @if datasets.is_empty() { (nothing(&viewer)) } @else {
            div.tiles { @for (dataset, population) in &datasets { (tile(dataset, population)) } }
        }
        @if let Some(next) = next {
            p { a rel="next" href=(with_query("/", "cursor", &next.to_string())) { "More datasets" } }
        }
        @if !jobs.is_empty() {
            section aria-labelledby="newest" { h2 #newest { "Newest jobs" } (job_table(&jobs, key.as_ref(), true)) p { a href="/jobs" { "All jobs" } } }
        }
    };
    Ok(shown(&viewer, ("/", "Datasets"), &content))
}

fn tile(dataset: &Dataset, population: &Population) -> Markup {
    let columns = dataset.schema["columns"].as_array().map_or(0, Vec::len);
    html! {
        article.tile {
            h2 { a href=(format!("/datasets/{}", dataset.id)) { (dataset.name) } }
            p.soft { (columns) " columns, about " (crate::report::count(dataset.rows_public as usize)) " rows"
                @if dataset.public { ", public" } }
            (gauge(&population.account))
        }
    }
}

fn nothing(viewer: &Viewer) -> Markup {
    html! {
        div.empty {
            @if viewer.may(Role::Custodian) {
                p { "There is no dataset yet. Upload a table: you will be shown what it would be declared as, and nothing is \
                    stored before you say so." }
                p { a.button href="/upload" { "Upload a table" } }
            } @else {
                p { "There is no dataset yet. A custodian uploads the first one; with your key, an analyst's, you can then start \
                    jobs within its budget." }
            }
        }
    }
}
