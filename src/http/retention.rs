//! For how long the things of a dataset are kept.

use axum::Json;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::dataset_view::DatasetView;
use super::datasets::view;
use super::desk::Desk;
use super::extract::{Body, Name};
use super::problem::Problem;
use super::role::Caller;
use crate::store::{self, Dataset, Keep, Kept, Retention, Term, Version};

/// For how long things are to be kept. Both members are said, so that nothing is chosen by leaving it out.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    /// Days from the completion of an upload to its destruction; 0 for ever, null for what the installation says.
    #[serde(deserialize_with = "said")]
    #[schema(required, example = 30, maximum = 36500)]
    rows_days: Option<u32>,
    /// Days from the end of a job to the destruction of what it left: table, model, report, figures.
    #[serde(deserialize_with = "said")]
    #[schema(required, example = 365, maximum = 36500)]
    results_days: Option<u32>,
}

/// A number or null; but not nothing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::deserialize(deserializer)
}

impl Choice {
    /// The choice, if the installation allows it; `at` is its place in the request.
    pub fn checked(self, retention: &Retention, at: &str) -> Result<Keep, Problem> {
        let Self { rows_days, results_days } = self;
        for (name, days, term) in
            [("rows_days", rows_days, retention.rows), ("results_days", results_days, retention.results)]
        {
            if days.is_some_and(|days| !term.allows(days)) {
                let detail = match term.limit() {
                    (most, true) => format!("{name} is a number from 0 (for ever) to {most}, or null"),
                    (most, false) => {
                        format!("{name} is a number from 1 to {most}, the most that the operator allows, or null")
                    }
                };
                return Err(Problem::invalid(&format!("{at}{name}"), detail));
            }
        }
        Ok(Keep { rows_days, results_days })
    }
}

/// For how long the things of a dataset are kept, and what goes when. What is due goes within the hour; what a job that is
/// queued or running needs goes when it has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RetentionView {
    /// Days for which an upload is kept from its completion on; null for ever.
    rows_days: Option<u32>,
    /// Days for which what a job left is kept from its end on; null for ever.
    results_days: Option<u32>,
    /// What the custodian chose, as in the request; null where the installation decides.
    #[schema(inline)]
    chosen: Choice,
    /// The most days that the installation allows for uploads; null for no limit.
    most_rows_days: Option<u32>,
    /// The most for what jobs left.
    most_results_days: Option<u32>,
    /// Until when the latest upload is kept; earlier ones go earlier. Null for ever, where there is none, and in the
    /// released view.
    #[serde(with = "time::serde::rfc3339::option")]
    rows_until: Option<OffsetDateTime>,
    /// Until when the results are kept that go next; null for ever, and where there are none.
    #[serde(with = "time::serde::rfc3339::option")]
    results_until: Option<OffsetDateTime>,
    /// When rows were last destroyed because their time was over.
    #[serde(with = "time::serde::rfc3339::option")]
    rows_destroyed_at: Option<OffsetDateTime>,
    /// When results were last destroyed because their time was over.
    #[serde(with = "time::serde::rfc3339::option")]
    results_destroyed_at: Option<OffsetDateTime>,
}

impl RetentionView {
    /// The view of a dataset with its latest upload, if that may be seen.
    pub fn of(dataset: &Dataset, retention: &Retention, (rows, kept): (Option<&Version>, Kept)) -> Self {
        let keep = dataset.keep();
        let most = |term: Term| (term.most > 0).then_some(term.most);
        Self {
            rows_days: retention.rows.of(keep.rows_days),
            results_days: retention.results.of(keep.results_days),
            chosen: Choice { rows_days: keep.rows_days, results_days: keep.results_days },
            most_rows_days: most(retention.rows),
            most_results_days: most(retention.results),
            rows_until: retention.rows.end(keep.rows_days, rows.map(|version| version.created_at)),
            results_until: retention.results.end(keep.results_days, kept.oldest_results),
            rows_destroyed_at: kept.rows_destroyed_at,
            results_destroyed_at: kept.results_destroyed_at,
        }
    }
}

/// Choose for how long the things of a dataset are kept: shorter or longer, but no longer than the installation allows.
/// What is due by that is destroyed within the hour, with the keys to it, and cannot be brought back. Budgets, the ledger,
/// certificates and the audit log stay.
#[utoipa::path(put, path = "/v1/datasets/{dataset}/retention", operation_id = "set_retention", tag = "datasets", request_body = Choice,
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 200, body = DatasetView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`: longer than the installation allows", content_type = "application/problem+json"),
))]
pub(super) async fn choose(
    desk: Desk,
    caller: Caller,
    Name(name): Name,
    Body(choice): Body<Choice>,
) -> Result<Json<DatasetView>, Problem> {
    let keep = choice.checked(&desk.retention, "")?;
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    store::set_keep(&desk.tenant, dataset.id, keep).await?;
    let dataset = store::find_dataset(&desk.tenant, &dataset.id.to_string()).await?;
    Ok(Json(view(&desk, dataset, caller.key_for(None)?.as_ref()).await?))
}
