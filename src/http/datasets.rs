//! Declaring, listing and reading datasets.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::dataset_view::{Access, DatasetRequest, DatasetView};
use super::desk::Desk;
use super::extract::{Body, Name, Params};
use super::page::{Page, PageParams};
use super::planning::aside;
use super::problem::{Problem, storage};
use super::role::{Caller, ViewParams};
use super::tagged::tagged;
use crate::privacy::{self, Delta, Epsilon, UnitKind};
use crate::store::{self, Allowance, CustodianKey, Dataset, Keep, Kept, NewBudget, NewDataset, Retention};
use crate::tabular::Declaration;

/// Declare a table and grant its budget. Everything in the request is public.
#[utoipa::path(post, path = "/v1/datasets", operation_id = "declare_dataset", tag = "datasets", request_body = DatasetRequest, responses(
    (status = 201, body = DatasetView, headers(("Location", description = "the dataset"))),
    (status = 409, description = "`state_conflict`: the name is taken", content_type = "application/problem+json"),
    (status = 422, description = "`schema_invalid`, `request_invalid`", content_type = "application/problem+json"),
))]
pub(super) async fn create(desk: Desk, Body(request): Body<DatasetRequest>) -> Result<impl IntoResponse, Problem> {
    let declaration = Declaration::from_json(&request.schema)?;
    let new = check(&request, &declaration, &desk.retention)?;
    let dataset = store::create_dataset(&desk.tenant, &new).await?;
    let location = [(header::LOCATION, format!("/v1/datasets/{}", dataset.id))];
    let view = DatasetView::of(dataset, None, (&desk.retention, Kept::default()));
    Ok((StatusCode::CREATED, location, Json(DatasetView { ignored: declaration.ignored, ..view })))
}

fn check(request: &DatasetRequest, declaration: &Declaration, retention: &Retention) -> Result<NewDataset, Problem> {
    let public = request.access == Access::Public;
    let name = request.name.trim();
    // Names stand in paths: a slash or a dot alone would be lost on the way.
    let misfit = |c: char| c == '/' || c.is_control();
    if name.is_empty() || name.chars().count() > 200 || name.contains(misfit) || matches!(name, "." | "..") {
        let detail = "a name has 1 to 200 characters, no slash and no control character, and is not `.` or `..`";
        return Err(Problem::invalid("name", detail));
    }
    if !(1..=1_000_000_000).contains(&request.rows_public) {
        return Err(Problem::invalid("rows_public", "rows_public is a number from 1 to 1,000,000,000"));
    }
    if !(0.0..=0.5).contains(&request.holdout) {
        return Err(Problem::invalid("holdout", "holdout is a share from 0 to 0.5"));
    }
    let rows_public = request.rows_public as i64;
    if public {
        check_public(request)?;
    }
    let persons = request.privacy_unit.checked(&declaration.schema, request.rows_public)?;
    let units =
        persons.as_ref().map_or(("rows_public", rows_public), |persons| ("persons_public", persons.persons_public));
    Ok(NewDataset {
        name: name.to_owned(),
        schema: declaration.schema.to_json(),
        public,
        rows_public,
        holdout: request.holdout,
        keep: request.retention.map_or(Ok(Keep::default()), |choice| choice.checked(retention, "retention."))?,
        allowance: allowance(request, units)?,
        persons,
    })
}

/// A public table has nobody to protect.
fn check_public(request: &DatasetRequest) -> Result<(), Problem> {
    if request.privacy_unit.kind() != UnitKind::Row {
        let detail = "rows of a public table stand alone: leave `privacy_unit` and the column of persons out";
        return Err(Problem::invalid("privacy_unit", detail));
    }
    if request.population.is_some() {
        let detail = "a public table holds nobody who is protected by a budget: leave `population` out, or `access`";
        return Err(Problem::invalid("population", detail));
    }
    Ok(())
}

/// The budget of a public table that was declared without one: the least there is, so that private jobs on it
/// are refused until it is raised.
fn least(units_public: i64) -> Result<privacy::Grant, Problem> {
    let delta = (0.1 / units_public as f64).min(1e-6);
    Ok(privacy::Grant { epsilon: Epsilon::new(Epsilon::LEAST)?, delta: Delta::new(delta)? })
}

/// A budget of its own, or that of a population: one of the two.
fn allowance(request: &DatasetRequest, units: (&str, i64)) -> Result<Allowance, Problem> {
    let unit = request.privacy_unit.kind();
    match (request.budget, request.population) {
        (Some(grant), None) => {
            let grant = grant.checked(units, "budget.delta")?;
            Ok(Allowance::Granted(NewBudget { grant, unit, units_public: units.1 }))
        }
        (None, Some(population)) => Ok(Allowance::Shared(population, unit)),
        (Some(_), Some(_)) => {
            let detail = "a population has a budget already: leave `budget` out, or `population`";
            Err(Problem::invalid("budget", detail))
        }
        (None, None) if request.access == Access::Public => {
            Ok(Allowance::Granted(NewBudget { grant: least(units.1)?, unit, units_public: units.1 }))
        }
        (None, None) => {
            let detail = "grant a budget, {\"epsilon\": ..., \"delta\": ...}, or name the `population` that has one";
            Err(Problem::invalid("budget", detail))
        }
    }
}

/// All datasets, in the order of their declaration.
#[utoipa::path(get, path = "/v1/datasets", operation_id = "list_datasets", tag = "datasets", params(PageParams), responses(
    (status = 200, body = Page<DatasetView>, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
))]
pub(super) async fn list(
    desk: Desk,
    caller: Caller,
    Params(page): Params<PageParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = caller.key_for(page.view)?;
    let limit = page.limit()?;
    let mut items = Vec::new();
    for dataset in store::list_datasets(&desk.tenant, page.cursor, limit + 1).await? {
        items.push(view(&desk, dataset, key.as_ref()).await?);
    }
    tagged(&Page::cut(items, limit, |d| d.id), &headers)
}

/// Delete a dataset: its rows, and the exact reports on them, are destroyed. What jobs released
/// stays, and so does the budget: the same name, declared anew, goes on spending it.
#[utoipa::path(delete, path = "/v1/datasets/{dataset}", operation_id = "delete_dataset", tag = "datasets",
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 204, description = "deleted"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: jobs on it are queued or running", content_type = "application/problem+json"),
))]
pub(super) async fn delete(desk: Desk, Name(name): Name) -> Result<StatusCode, Problem> {
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    let blobs = store::delete_dataset(&desk.tenant, dataset.id).await?;
    let folder = desk.blobs.clone();
    let removed = aside(move || blobs.iter().try_for_each(|blob| folder.remove(blob))).await?;
    removed.map_err(|e| storage(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

/// One dataset, by id or name.
#[utoipa::path(get, path = "/v1/datasets/{dataset}", operation_id = "get_dataset", tag = "datasets",
    params(("dataset" = String, Path, description = "id or name"), ViewParams), responses(
    (status = 200, body = DatasetView, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn get(
    desk: Desk,
    caller: Caller,
    Name(name): Name,
    Params(params): Params<ViewParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let key = caller.key_for(params.view)?;
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    tagged(&view(&desk, dataset, key.as_ref()).await?, &headers)
}

/// The view of a dataset, with the latest upload for those who may see exact counts.
pub(super) async fn view(desk: &Desk, dataset: Dataset, key: Option<&CustodianKey>) -> Result<DatasetView, Problem> {
    let rows = match key {
        Some(key) => store::latest_version(&desk.tenant, dataset.id).await?.map(|version| version.open(key)),
        None => None,
    };
    let kept = store::kept(&desk.tenant, dataset.id).await?;
    Ok(DatasetView::of(dataset, rows, (&desk.retention, kept)))
}
