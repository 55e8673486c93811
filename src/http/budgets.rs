//! The budget of a dataset, with its entries.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::dataset_view::Grant;
use super::extract::{Body, Name};
use super::problem::Problem;
use super::state::App;
use crate::privacy::Account;
use crate::store::{self, Entry, EntryKind};

/// How a budget stands. Shares are parts of the grant and add up to 1; a grant counts in epsilon and
/// in delta, and the shares are of the one of which more is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BudgetView {
    /// The granted epsilon: what is guaranteed over the whole life of the dataset.
    epsilon: f64,
    /// The granted delta.
    delta: f64,
    /// The share that was charged. Never falls.
    spent: f64,
    /// The share that admitted jobs hold.
    reserved: f64,
    /// The share that is free.
    remaining: f64,
    /// The largest epsilon of a single job that would be admitted now.
    largest_next_epsilon: f64,
    /// Everything that was written about it, oldest first.
    entries: Vec<EntryView>,
}

/// One line of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    /// The job, unless it is a grant.
    job_id: Option<Uuid>,
    /// What happened.
    kind: EntryKind,
    /// The mechanism, on charges: a tree with the names of Google's `dp_accounting.DpEvent`.
    #[schema(value_type = Option<Object>)]
    event: Option<Value>,
    /// How much epsilon.
    epsilon: f64,
    /// How much delta.
    delta: f64,
    /// The share of the grant, as it is now.
    share: f64,
    /// The state of the job, unless it is a grant.
    state: Option<String>,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

impl EntryView {
    fn of(entry: Entry, account: &Account) -> Self {
        Self {
            job_id: entry.job_id,
            kind: entry.kind,
            event: entry.event,
            epsilon: entry.amount.epsilon(),
            delta: entry.amount.delta(),
            share: entry.amount.share_of(account.granted),
            state: entry.job_status,
            at: entry.at,
        }
    }
}

/// How the budget of a dataset stands.
#[utoipa::path(get, path = "/v1/datasets/{dataset}/budget", tag = "budgets",
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 200, body = BudgetView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn get(State(app): State<App>, Name(name): Name) -> Result<Json<BudgetView>, Problem> {
    let dataset = store::find_dataset(&app.pool, &name).await?;
    let budget = store::budget(&app.pool, dataset.population_id).await?;
    let (account, shares) = (budget.account, budget.account.shares());
    Ok(Json(BudgetView {
        epsilon: account.granted.epsilon(),
        delta: account.granted.delta(),
        spent: shares.spent,
        reserved: shares.reserved,
        remaining: shares.remaining,
        largest_next_epsilon: account.largest_next_epsilon(),
        entries: budget.entries.into_iter().map(|e| EntryView::of(e, &account)).collect(),
    }))
}

/// Raise the grant to a new (epsilon, delta), in both at least what it was. What was spent stays.
#[utoipa::path(post, path = "/v1/datasets/{dataset}/budget", tag = "budgets", request_body = Grant,
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 200, body = BudgetView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`", content_type = "application/problem+json"),
))]
pub(super) async fn raise(
    State(app): State<App>,
    Name(name): Name,
    Body(grant): Body<Grant>,
) -> Result<Json<BudgetView>, Problem> {
    let dataset = store::find_dataset(&app.pool, &name).await?;
    let amount = grant.amount(dataset.rows_public, "delta")?;
    store::raise(&app.pool, dataset.population_id, amount).await?;
    get(State(app), Name(name)).await
}
