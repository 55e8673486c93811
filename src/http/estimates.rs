//! What a job would cost, before anything is spent.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::desk::Desk;
use super::extract::Body;
use super::job_request::JobRequest;
use super::planning::{Planner, aside, unplanned};
use super::problem::{Problem, settings};
use crate::engine::{Machine, Measuring, MemoryError, Plan, Source, estimate, price_or_beyond};
use crate::privacy::{DpEvent, Rule};
use crate::store;

/// What a job would cost. Nothing private is touched to find out, and nothing is reserved.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EstimateView {
    /// The epsilon that the job by itself would have.
    epsilon: f64,
    /// The delta that goes with it.
    delta: f64,
    /// What stage 1 trains on.
    source: Source,
    /// What is measured first, and how the privacy is split over its parts (as noise multipliers: a part's share of the
    /// squared mean goes like 1 over the square); null where nothing is.
    #[schema(value_type = Option<Object>)]
    measure: Option<Measuring>,
    /// Steps of stage 1.
    public_steps: u32,
    /// The standard deviation of the noise over the clipping norm; null without stage 2.
    noise_multiplier: Option<f64>,
    /// The probability with which each unit takes part in a step; null without stage 2.
    sampling_rate: Option<f64>,
    /// Private steps of a run without crashes; 0 without stage 2.
    steps: u32,
    /// Everything private that may happen, spare blocks included, with the names of Google's
    /// `dp_accounting.DpEvent`.
    #[schema(value_type = Vec<Object>)]
    events: Vec<DpEvent>,
    /// The share of the budget that would be reserved.
    share: f64,
    /// How that share is found.
    rule: Rule,
    /// The share that is free.
    remaining: f64,
    /// Whether the job would be admitted now.
    fits_budget: bool,
    /// A guess of the seconds from claim to results, on an idle machine like the server.
    seconds: f64,
    /// The worker's peak memory: buffers are counted, the rest is a guess.
    memory_bytes: u64,
    /// The memory that a worker of this server may take.
    memory_limit_bytes: u64,
    /// Whether the job fits in it; one that does not is refused.
    fits_memory: bool,
    /// Where it does not: the most `rows` that would, and other words for `stage2` that would, each with
    /// everything else as asked.
    #[schema(value_type = Option<Object>)]
    largest: Option<Value>,
    /// A guess, at 10 watts a busy core.
    energy_wh: f64,
}

/// Estimate a job: the same request as for submitting it.
#[utoipa::path(post, path = "/v1/estimates", operation_id = "estimate_job", tag = "jobs", request_body = JobRequest, responses(
    (status = 200, body = EstimateView),
    (status = 404, description = "`not_found`: no such dataset", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`", content_type = "application/problem+json"),
))]
pub(super) async fn create(desk: Desk, Body(request): Body<JobRequest>) -> Result<Json<EstimateView>, Problem> {
    let request = request.settled(&desk.webhooks)?;
    let dataset = store::find_dataset(&desk.tenant, &request.dataset).await?;
    let account = store::population(&desk.tenant, dataset.population_id).await?.account;
    let planner = Planner::of_request(&desk, &request, &dataset, account.grant).await?;
    let (asked, workers) = (planner.asked, desk.workers);
    let (plan, memory) = aside(move || in_memory(&planner, workers)).await??;
    let work = plan.work();
    let price = aside(move || price_or_beyond(&account, &work)).await?;
    let cost = estimate(&plan, workers.threads);
    Ok(Json(EstimateView {
        epsilon: if price.is_nothing() { 0.0 } else { asked.epsilon.get() },
        delta: if price.is_nothing() { 0.0 } else { asked.delta.get() },
        source: plan.source,
        measure: plan.measure.clone(),
        public_steps: plan.public.steps,
        noise_multiplier: plan.private.map(|private| private.noise.get()),
        sampling_rate: plan.private.map(|private| private.rate.get()),
        steps: plan.private.map_or(0, |private| private.steps()),
        share: price.whole.share_of(account.cap),
        rule: price.rule,
        remaining: account.shares().remaining,
        fits_budget: account.admit(price.whole).is_ok(),
        seconds: cost.seconds,
        memory_bytes: memory.bytes,
        memory_limit_bytes: workers.memory_bytes,
        fits_memory: memory.largest.is_none(),
        largest: memory.largest,
        energy_wh: cost.energy_wh,
        events: if price.is_nothing() { Vec::new() } else { vec![plan.event] },
    }))
}

/// Bytes that a job takes, and what would fit where it does not.
struct Memory {
    bytes: u64,
    largest: Option<Value>,
}

/// The plan that a submission would make, or the one that it would refuse for want of memory.
fn in_memory(planner: &Planner, workers: Machine) -> Result<(Plan, Memory), Problem> {
    let plan = planner.plan().map_err(|error| unplanned(&error))?;
    match planner.fit(&plan, workers) {
        Ok(plan) => {
            let memory = Memory { bytes: planner.memory_bytes(&plan, workers)?, largest: None };
            Ok((plan, memory))
        }
        Err(MemoryError::TooLarge { needed, largest, .. }) => {
            Ok((plan, Memory { bytes: needed, largest: Some(settings(&largest)) }))
        }
        Err(error) => Err(error.into()),
    }
}
