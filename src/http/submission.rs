//! Submitting a job: its plan, its price, its admission.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::audit::Touched;
use super::desk::Desk;
use super::extract::Body;
use super::job_request::JobRequest;
use super::job_view::JobView;
use super::planning::{Planner, aside};
use super::problem::{Problem, exhausted};
use super::role::Caller;
use crate::engine::{Canaries, price_or_beyond};
use crate::store::{self, Dataset, Idempotency, NewJob, StoreError, Submission};

/// A price is found again when the budget has changed meanwhile; one that changes this often under a
/// single submission is being hammered.
const TRIES: usize = 50;

/// Submit a job. Its cost is reserved with it, in one transaction; it is charged when the private
/// rows are first touched, and from then on nothing is given back.
#[utoipa::path(post, path = "/v1/jobs", operation_id = "submit_job", tag = "jobs", request_body = JobRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "repeating a request with its key makes no second job; keys are kept for 30 days")),
    responses(
    (status = 202, body = JobView, headers(("Location", description = "the job"))),
    (status = 404, description = "`not_found`: no such dataset", content_type = "application/problem+json"),
    (status = 409, description = "`budget_exhausted` with `requested`, `spent`, `reserved`, `remaining` (shares) and \
        `largest_next_epsilon`; `state_conflict`: no rows yet", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`; `idempotency_mismatch`; `job_too_large` with `memory_bytes`, \
        `memory_limit_bytes` and `largest` (`rows`, `stage2`: what would fit instead)", content_type = "application/problem+json"),
    (status = 429, description = "`queue_full`: too many jobs wait", content_type = "application/problem+json"),
))]
pub(super) async fn submit(
    desk: Desk,
    caller: Caller,
    headers: HeaderMap,
    Body(request): Body<JobRequest>,
) -> Result<impl IntoResponse, Problem> {
    let (request, seen) = (request.settled(&desk.webhooks)?, caller.key_for(None)?);
    let key = idempotency_key(&headers)?;
    if !(-100..=100).contains(&request.priority) {
        return Err(Problem::invalid("priority", "priority is a number from -100 to 100"));
    }
    let text = serde_json::to_value(&request).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let body = hex::encode(Sha256::digest(text.to_string()));
    let once = key.map(|key| Idempotency { key, body: &body });
    // A repetition gets its job whatever has changed since, and costs next to nothing.
    let known = match once {
        Some(once) => store::submitted(&desk.tenant, once).await?,
        None => None,
    };
    let id = match known {
        Some(id) => id,
        None => {
            let dataset = store::find_dataset(&desk.tenant, &request.dataset).await?;
            admit(&desk, (&request, text), &dataset, once).await?.job_id
        }
    };
    let job = store::find_job(&desk.tenant, id).await?;
    let location = [(header::LOCATION, format!("/v1/jobs/{}", job.id))];
    let touched = Touched(job.dataset_id);
    Ok((StatusCode::ACCEPTED, touched, location, Json(JobView::load(&desk.tenant, job, seen.as_ref()).await?)))
}

async fn admit(
    desk: &Desk,
    (request, text): (&JobRequest, Value),
    dataset: &Dataset,
    once: Option<Idempotency<'_>>,
) -> Result<Submission, Problem> {
    let population = store::population(&desk.tenant, dataset.population_id).await?;
    let planner = Planner::of_request(desk, request, dataset, population.account.grant).await?;
    let (planned, workers) = (planner.clone(), desk.workers);
    let mut plan = aside(move || planned.fitted(workers)).await??;
    let count = request.report.canaries;
    plan.canaries = (count > 0).then(|| Canaries { count, seed: rand::random() });
    let plan_json = serde_json::to_value(&plan).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    for _ in 0..TRIES {
        // The price depends on what is spent; the transaction of admission sees to it that it is not out of date.
        let population = store::population(&desk.tenant, dataset.population_id).await?;
        let account = population.account;
        let (work, priced) = (plan.work(), plan.work());
        let price = aside(move || price_or_beyond(&account, &priced)).await?;
        let new = NewJob {
            dataset_id: dataset.id,
            population_id: dataset.population_id,
            request: text.clone(),
            plan: plan_json.clone(),
            public_table: plan.public_table.map(|table| table.dataset),
            planned: planner.asked,
            work,
            facts: plan.facts(),
            price,
            priced_on: account,
            priority: request.priority,
            room: desk.room,
        };
        match store::submit(&desk.tenant, &new, once).await {
            Err(StoreError::Stale) => {}
            Err(StoreError::BudgetExhausted(refusal)) => {
                let name = planner.name(dataset.id);
                let largest = desk.figures.get(name, population.head, move || Some(planner.largest(&account))).await?;
                return Err(exhausted(&refusal, largest.unwrap_or_default()));
            }
            done => return Ok(done?),
        }
    }
    Err(StoreError::Stale.into())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|k| !k.is_empty() && k.len() <= 255);
    let refusal = || Problem::invalid("header.Idempotency-Key", "a key has 1 to 255 visible ASCII characters");
    key.map(Some).ok_or_else(refusal)
}
