//! Submitting a job: the request, its plan, its admission.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::extract::Body;
use super::job_view::JobView;
use super::json::{object, unsaid, unset, word};
use super::problem::Problem;
use super::state::App;
use crate::engine::{Facts, Overrides, Plan, PlanError};
use crate::privacy::{Amount, Delta, Epsilon};
use crate::store::{self, Dataset, Idempotency, NewJob};

/// Most rows that one job may generate.
const MAX_ROWS: u64 = 10_000_000;

/// Most cells that one job may generate: they pass through a worker's memory.
const MAX_CELLS: u64 = 200_000_000;

/// What to make from which dataset at what price. Everything but `dataset` and `epsilon` has a
/// default.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobRequest {
    /// Id or name of the dataset.
    #[schema(example = "adult")]
    dataset: String,
    /// The epsilon that the job spends.
    #[schema(example = 1.0)]
    epsilon: f64,
    /// The delta that the job spends; unless given, the grant's in proportion to epsilon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delta: Option<f64>,
    /// How.
    #[serde(default, deserialize_with = "object")]
    method: Method,
    /// How many synthetic rows; the declared number of rows unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000_000)]
    rows: Option<u64>,
    /// Expert settings; the plan has good ones.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Training::is_default")]
    training: Training,
    /// What the report may release. There is no released view in this version.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "unsaid")]
    report: ReportRequest,
    /// Null: not in this version.
    #[serde(default, rename = "seed_rows", deserialize_with = "unset", skip_serializing_if = "unsaid")]
    #[schema(value_type = Option<Object>)]
    _seed_rows: (),
    /// Null: not in this version.
    #[serde(default, rename = "webhook", deserialize_with = "unset", skip_serializing_if = "unsaid")]
    #[schema(value_type = Option<Object>)]
    _webhook: (),
}

/// What the report may release.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ReportRequest {
    /// The epsilon of released figures: 0, none.
    #[schema(minimum = 0, maximum = 0)]
    released_epsilon: f64,
}

/// The parts of the method.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Method {
    /// What stage 1 trains on.
    #[serde(deserialize_with = "word")]
    stage1: Stage1,
    /// What stage 2 trains.
    #[serde(deserialize_with = "word")]
    stage2: Stage2,
    /// The language model.
    #[serde(deserialize_with = "word")]
    model: Model,
    /// What draws the synthetic rows.
    #[serde(deserialize_with = "word")]
    generator: Generator,
}

/// What stage 1 trains on.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Stage1 {
    /// Uniform rows of the public schema (DP-2Stage-U).
    #[default]
    Uniform,
    /// Nothing: stage 2 alone (DP-Standard).
    None,
}

/// What stage 2 trains.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Stage2 {
    /// All parameters.
    #[default]
    Full,
}

/// The language model.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Model {
    /// A small GPT trained from scratch.
    #[default]
    Small,
}

/// What draws the synthetic rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Generator {
    /// The best there is for the method.
    #[default]
    Auto,
    /// The language model.
    Lm,
}

/// Expert settings of the training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Training {
    /// Private steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u32>,
    /// Expected rows in a private step.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<f64>,
    /// The peak learning rate of stage 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f32>,
    /// The norm to which the gradient of each row is clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    clipping_norm: Option<f64>,
}

impl Training {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Submit a job. Its cost is reserved with it, in one transaction; it is charged when the private
/// rows are first touched, and from then on nothing is given back.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "repeating a request with its key makes no second job")),
    responses(
    (status = 202, body = JobView, headers(("Location", description = "the job"))),
    (status = 404, description = "`not_found`: no such dataset", content_type = "application/problem+json"),
    (status = 409, description = "`budget_exhausted` with `requested`, `spent`, `reserved`, `remaining` (shares) and \
        `largest_next_epsilon`; `state_conflict`: no rows yet", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`, `idempotency_mismatch`", content_type = "application/problem+json"),
))]
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<JobRequest>,
) -> Result<impl IntoResponse, Problem> {
    let dataset = store::find_dataset(&app.pool, &request.dataset).await?;
    let new = prepare(&app, &request, &dataset).await?;
    let key = idempotency_key(&headers)?;
    let body = hex::encode(Sha256::digest(new.request.to_string()));
    let once = key.map(|key| Idempotency { key, body: &body });
    let submission = store::submit(&app.pool, &new, once).await?;
    let job = store::find_job(&app.pool, submission.job_id).await?;
    let location = [(header::LOCATION, format!("/v1/jobs/{}", job.id))];
    Ok((StatusCode::ACCEPTED, location, Json(JobView::load(&app.pool, job).await?)))
}

/// Makes the plan: from public facts alone, before anything private is read.
async fn prepare(app: &App, request: &JobRequest, dataset: &Dataset) -> Result<NewJob, Problem> {
    let epsilon = Epsilon::new(request.epsilon)?;
    let delta = match request.delta {
        Some(delta) => delta,
        None => store::account(&app.pool, dataset.population_id).await?.default_delta(epsilon),
    };
    let delta = Delta::new(delta)?;
    let rows = request.rows.unwrap_or(dataset.rows_public as u64);
    if !(1..=MAX_ROWS).contains(&rows) {
        return Err(Problem::invalid("rows", format!("rows is a number from 1 to {MAX_ROWS}")));
    }
    let schema = dataset.declared()?;
    if rows * schema.width() as u64 > MAX_CELLS {
        let most = MAX_CELLS / schema.width() as u64;
        return Err(Problem::invalid("rows", format!("a table of this width may have {most} rows")));
    }
    if request.report.released_epsilon != 0.0 {
        let detail = "a released view of the report is not available in this version: leave it out, or say 0";
        return Err(Problem::invalid("report.released_epsilon", detail));
    }
    let training = request.training;
    let overrides = Overrides {
        steps: training.steps,
        expected_batch: training.batch,
        learning_rate: training.learning_rate,
        clipping_norm: training.clipping_norm,
        spare_blocks: None,
    };
    // What training may expect to see of the declared rows.
    let rows_public = ((dataset.rows_public as f64 * (1.0 - dataset.holdout)).round() as u64).max(1);
    // Calibration takes a moment of arithmetic.
    let planned = tokio::task::spawn_blocking(move || {
        Plan::new(&Facts { schema: &schema, rows_public, epsilon, delta, rows }, &overrides)
    });
    let planned = planned.await.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let mut plan = planned.map_err(|e| unplanned(&e))?;
    if let Stage1::None = request.method.stage1 {
        plan.public.steps = 0;
    }
    let json = |_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(NewJob {
        dataset_id: dataset.id,
        population_id: dataset.population_id,
        request: serde_json::to_value(request).map_err(json)?,
        blocks_allowed: plan.private.blocks_charged() as i32,
        plan: serde_json::to_value(&plan).map_err(json)?,
        charge: Amount::charge(epsilon, delta),
    })
}

/// Says which member of the request is at fault.
fn unplanned(error: &PlanError) -> Problem {
    let at = match error.at() {
        "clipping norm" => "training.clipping_norm".to_owned(),
        at @ ("steps" | "batch" | "learning_rate") => format!("training.{at}"),
        at => at.to_owned(),
    };
    Problem::invalid(&at, error.to_string())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|k| !k.is_empty() && k.len() <= 255);
    let refusal = || Problem::invalid("header.Idempotency-Key", "a key has 1 to 255 visible ASCII characters");
    key.map(Some).ok_or_else(refusal)
}
