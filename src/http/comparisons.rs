//! Jobs of one dataset side by side.

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::desk::Desk;
use super::extract::{Name, Params};
use super::form::{Form, page, varied};
use super::problem::Problem;
use super::reports::{about, exact_report, figures, finished, read_report};
use super::role::{Caller, View};
use super::tagged::tagged;
use crate::report::comparison::{Comparison, JobLine, ReleasedComparison, ReleasedJob};
use crate::report::{comparison_page, released_comparison_page};
use crate::store::{self, ArtifactKind, CustodianKey, Job, JobFilter, JobStatus, StoreError};

/// Which jobs, in which view.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ComparisonParams {
    /// `released` or `custodian`; the most that the key may see unless given.
    #[param(inline)]
    view: Option<View>,
    /// The newest so many succeeded jobs.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: u8,
}

fn usual() -> u8 {
    20
}

/// Succeeded jobs of a dataset side by side: epsilon against quality, variants, marginals alone as the baseline. For
/// custodians with exact figures; for analysts, or with `?view=released`, without. With `Accept: text/html` a page.
#[utoipa::path(get, path = "/v1/datasets/{dataset}/comparison", operation_id = "compare_jobs", tag = "results",
    params(("dataset" = String, Path, description = "id or name"), ComparisonParams), responses(
    (status = 200, content((inline(AnyComparison) = "application/json"), (String = "text/html")),
        headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 403, description = "`forbidden`: the custodian's view with an analyst's key", content_type = "application/problem+json"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn get(
    desk: Desk,
    caller: Caller,
    Name(name): Name,
    Params(params): Params<ComparisonParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (form, key) = (Form::wanted(&headers), caller.key_for(params.view)?);
    if !(1..=100).contains(&params.limit) {
        return Err(Problem::invalid("limit", "limit is a number from 1 to 100"));
    }
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    let filter = JobFilter { dataset: Some(dataset.id), status: Some(JobStatus::Succeeded), ..JobFilter::default() };
    let jobs = store::list_jobs(&desk.tenant, filter, i64::from(params.limit)).await?;
    let line = |job: &Job| JobLine {
        job: job.id.to_string(),
        finished_at: finished(job),
        epsilon: if job.free { 0.0 } else { job.epsilon },
        delta: job.delta,
        variant: about(job, &dataset).variant(),
    };
    let Some(key) = key else {
        let mut released = Vec::new();
        for job in &jobs {
            released.push(ReleasedJob { line: line(job), figures: figures(&desk, job).await? });
        }
        let released = ReleasedComparison { view: "released", dataset: dataset.name.clone(), jobs: released };
        return match form {
            Form::Json => tagged(&released, &headers).map(varied),
            Form::Html => Ok(page(released_comparison_page(&released), &headers)),
        };
    };
    let mut compared = Vec::new();
    for job in &jobs {
        compared.push((line(job), report_of(&desk, job, &key).await?));
    }
    let comparison = Comparison::of(dataset.name.clone(), compared);
    match form {
        Form::Json => tagged(&comparison, &headers).map(varied),
        Form::Html => Ok(page(comparison_page(&comparison), &headers)),
    }
}

/// The exact report of a job, if it has one.
async fn report_of(
    desk: &Desk,
    job: &Job,
    key: &CustodianKey,
) -> Result<Option<crate::report::CustodianReport>, Problem> {
    match store::artifact(&desk.tenant, job.id, ArtifactKind::Report).await {
        Ok(artifact) => Ok(Some(read_report(&exact_report(desk, artifact.blob, key).await?)?)),
        Err(StoreError::NotFound(_) | StoreError::Gone { .. }) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// One of the two.
#[derive(ToSchema)]
#[schema(as = JobComparison)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of an answer that has two forms")]
enum AnyComparison {
    Custodian(Comparison),
    Released(ReleasedComparison),
}
