//! The budget of a dataset, with its entries.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::budget_entry::EntryView;
use super::desk::Desk;
use super::extract::{Body, Name};
use super::planning::Planner;
use super::problem::Problem;
use super::tagged::tagged;
use crate::privacy::{Delta, Epsilon, Grant, UnitKind};
use crate::store;

/// How the budget of a population stands: of one dataset, or of all that share it.
///
/// What is counted is not epsilon: jobs are compared with Gaussians, whose squared means add up, so
/// many jobs cost less than the sum of their epsilons. Shares are parts of what the grant buys and add
/// up to 1.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BudgetView {
    /// The people whose budget this is.
    population: Uuid,
    /// What one unit of privacy is: the guarantee is about adding or removing all rows of one.
    unit: UnitKind,
    /// About how many units there are, as declared.
    units_public: i64,
    /// The granted epsilon.
    epsilon: f64,
    /// The granted delta.
    delta: f64,
    /// What is guaranteed, at any time, about everything that was and will be released: the grant.
    epsilon_guaranteed: f64,
    /// The share that was charged. Never falls.
    spent: f64,
    /// The share that admitted jobs hold.
    reserved: f64,
    /// The share that is free.
    remaining: f64,
    /// The largest epsilon of a single job with the defaults that would be admitted now.
    largest_next_epsilon: f64,
    /// The epsilon, at the grant's delta, that everything charged would have, had it been planned in
    /// advance. Not a guarantee: jobs may have been chosen by what others released. Null where the
    /// accountant has no answer.
    epsilon_if_preplanned: Option<f64>,
    /// The digest of the last entry; each entry's covers all before it.
    head: String,
    /// Everything that was written about it, oldest first.
    entries: Vec<EntryView>,
}

/// How the budget of a dataset stands.
#[utoipa::path(get, path = "/v1/datasets/{dataset}/budget", operation_id = "get_budget", tag = "budgets",
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 200, body = BudgetView, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 500, description = "`ledger_damaged`: an entry was changed behind the service's back", content_type = "application/problem+json"),
))]
pub(super) async fn get(desk: Desk, Name(name): Name, headers: HeaderMap) -> Result<Response, Problem> {
    tagged(&view(&desk, &name).await?, &headers)
}

async fn view(desk: &Desk, name: &str) -> Result<BudgetView, Problem> {
    let dataset = store::find_dataset(&desk.tenant, name).await?;
    let budget = store::budget(&desk.tenant, dataset.population_id).await?;
    let findings = budget.verify(false).map_err(|fault| Problem::ledger_damaged(&fault))?;
    let (account, head) = (findings.account, findings.head);
    let planner = Planner::default_for(&dataset, account.grant)?;
    let largest = desk.figures.get(planner.name(dataset.id), head, move || Some(planner.largest(&account))).await?;
    let events = findings.clone();
    let preplanned = move || events.epsilon_if_preplanned();
    let epsilon_if_preplanned =
        desk.figures.get(format!("preplanned {}", budget.population.id), head, preplanned).await?;
    let shares = account.shares();
    Ok(BudgetView {
        population: budget.population.id,
        unit: findings.unit,
        units_public: findings.units_public,
        epsilon: account.grant.epsilon.get(),
        delta: account.grant.delta.get(),
        epsilon_guaranteed: account.grant.epsilon.get(),
        spent: shares.spent,
        reserved: shares.reserved,
        remaining: shares.remaining,
        largest_next_epsilon: largest.unwrap_or_default(),
        epsilon_if_preplanned,
        head: hex::encode(head),
        entries: EntryView::of(&budget, account.cap),
    })
}

/// A larger grant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Raise {
    /// The new epsilon, at least what it was.
    #[schema(example = 4.0)]
    epsilon: f64,
    /// The delta as it was; need not be given.
    #[serde(default)]
    delta: Option<f64>,
}

/// Raise the grant to a larger epsilon. Its delta stays what it was, and what was spent stays spent.
///
/// Each grant is kept for what is released while it holds: whoever raises it after having seen results
/// has the guarantee of the larger one.
#[utoipa::path(post, path = "/v1/datasets/{dataset}/budget", operation_id = "raise_budget", tag = "budgets", request_body = Raise,
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 200, body = BudgetView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`", content_type = "application/problem+json"),
))]
pub(super) async fn raise(desk: Desk, Name(name): Name, Body(raise): Body<Raise>) -> Result<Json<BudgetView>, Problem> {
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    let before = store::population(&desk.tenant, dataset.population_id).await?.account.grant;
    let delta = raise.delta.map_or(Ok(before.delta), Delta::new)?;
    store::raise(&desk.tenant, dataset.population_id, Grant { epsilon: Epsilon::new(raise.epsilon)?, delta }).await?;
    view(&desk, &name).await.map(Json)
}

/// The whole ledger of a dataset's population: every line with its mechanisms, price and digest.
/// `dp2stage verify FILE` recomputes all of it from this document alone.
#[utoipa::path(get, path = "/v1/datasets/{dataset}/ledger", operation_id = "get_ledger", tag = "budgets",
    params(("dataset" = String, Path, description = "id or name")), responses(
    (status = 200, description = "the lines in order", body = Object, headers(("ETag", description = "for If-None-Match"))),
    (status = 304, description = "not changed since the given ETag"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
))]
pub(super) async fn ledger(desk: Desk, Name(name): Name, headers: HeaderMap) -> Result<Response, Problem> {
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    tagged(&store::budget(&desk.tenant, dataset.population_id).await?.book, &headers)
}
