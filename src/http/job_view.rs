//! Jobs as JSON.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::problem::Problem;
use super::webhooks::{DeliveryView, masked};
use crate::store::{self, CustodianKey, ExactJob, Job, JobStatus, Standing, Tenant};

/// A job and where it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobView {
    /// Its id.
    pub id: Uuid,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    status: JobStatus,
    /// The name of the dataset.
    dataset: String,
    /// How far it is; null before it first ran.
    progress: Option<ProgressView>,
    /// The epsilon that it was planned for; what it takes of the budget is on the ledger.
    epsilon: EpsilonView,
    /// The delta that goes with the epsilon.
    delta: f64,
    /// How often a worker took it; custodian view.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<i32>,
    /// 1 for the next in the queue; null unless queued.
    queue_position: Option<i64>,
    /// The failure code, when failed; in the released view always `job_failed`.
    error: Option<String>,
    /// The request with its defaults.
    #[schema(value_type = Object)]
    request: Value,
    /// Steps, noise and events, fixed before the first private byte.
    #[schema(value_type = Object)]
    plan: Value,
    /// The message about its end, where it has ended and named a receiver; custodian view.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<DeliveryView>,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was first taken by a worker.
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    /// When it reached its final state.
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    /// Where to go from here.
    links: Links,
}

/// How far a job is, in steps that are public.
#[derive(Debug, Serialize, ToSchema)]
struct ProgressView {
    /// `measure`, `stage1`, `stage2`, `generate` or `report`.
    stage: String,
    /// Steps of the stage that are done.
    step: i32,
    /// Steps of the stage in all.
    steps: i32,
    /// The part of the whole job that is done, 0 to 1.
    fraction: f64,
    /// A guess of the seconds to go; null while nothing can be said, and in the released view.
    eta_seconds: Option<f64>,
}

/// The epsilon of the job by itself. One of the two is 0, or both when the reservation was handed back or
/// nothing was reserved.
#[derive(Debug, Serialize, ToSchema)]
struct EpsilonView {
    /// Held, and handed back if the job ends before it touches a private row.
    reserved: f64,
    /// Charged for good.
    charged: f64,
}

/// Where to go from a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Links {
    /// This job.
    #[serde(rename = "self")]
    this: String,
    /// Its dataset.
    dataset: String,
    /// The synthetic table, once it succeeded.
    synthetic: Option<String>,
    /// The report, once it succeeded.
    report: Option<String>,
    /// The certificate, once it succeeded.
    certificate: Option<String>,
}

impl Links {
    /// The links of a job in this state.
    pub fn of(job: Uuid, dataset: Uuid, status: JobStatus) -> Self {
        let result = |what: &str| (status == JobStatus::Succeeded).then(|| format!("/v1/jobs/{job}/{what}"));
        Self {
            this: format!("/v1/jobs/{job}"),
            dataset: format!("/v1/datasets/{dataset}"),
            synthetic: result("synthetic"),
            report: result("report"),
            certificate: result("certificate"),
        }
    }
}

impl JobView {
    /// The view of a job; asks for its place in the queue when it has one.
    pub async fn load(tenant: &Tenant, job: Job, key: Option<&CustodianKey>) -> Result<Self, Problem> {
        let queue_position = match shown_status(&job, key) {
            JobStatus::Queued => Some(store::queue_position(tenant, &job).await?),
            _ => None,
        };
        let told = key.is_some() && job.status.is_final() && job.request["webhook"].is_string();
        let webhook = if told { store::delivery_of_job(tenant, job.id).await? } else { None };
        Ok(Self { webhook: webhook.map(DeliveryView::from), ..Self::of(job, queue_position, key) })
    }

    /// The view of a job whose place in the queue is known or not asked for.
    fn of(job: Job, queue_position: Option<i64>, key: Option<&CustodianKey>) -> Self {
        let exact = key.map(|key| job.exact.clone().open(key));
        // Analysts learn that it failed; why may depend on rows.
        let failed = || (job.status == JobStatus::Failed).then(|| "job_failed".to_owned());
        let charged = job.charged_at.is_some();
        let held = !charged && !job.free && !job.status.is_final();
        Self {
            id: job.id,
            status: shown_status(&job, key),
            progress: ProgressView::of(&job, exact.as_ref()),
            epsilon: EpsilonView {
                reserved: if held { job.epsilon } else { 0.0 },
                charged: if charged { job.epsilon } else { 0.0 },
            },
            delta: job.delta,
            attempts: exact.as_ref().map(|exact| exact.attempts),
            queue_position,
            webhook: None,
            links: Links::of(job.id, job.dataset_id, job.status),
            dataset: job.dataset_name,
            error: exact.map_or_else(failed, |exact| exact.error),
            request: masked(job.request),
            plan: job.plan,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// The state of a job in a view. Analysts must not learn that it was put back: to them it goes on running.
pub(super) fn shown_status(job: &Job, key: Option<&CustodianKey>) -> JobStatus {
    let again = job.status == JobStatus::Queued && job.started_at.is_some();
    if again && key.is_none() { JobStatus::Running } else { job.status }
}

/// The stages in order, with the usual share of a job's time that lies before and in each.
pub(super) type Stages = &'static [(&'static str, f64, f64)];

/// With stage 2.
const STAGES: Stages =
    &[("stage1", 0.0, 0.15), ("stage2", 0.15, 0.65), ("generate", 0.8, 0.05), ("report", 0.85, 0.15)];

/// Without it.
const WITHOUT_STAGE2: Stages = &[("stage1", 0.0, 0.8), ("generate", 0.8, 0.05), ("report", 0.85, 0.15)];

/// Of a job that measures first, with stage 2.
const MEASURED: Stages = &[
    ("measure", 0.0, 0.08),
    ("stage1", 0.08, 0.37),
    ("stage2", 0.45, 0.3),
    ("generate", 0.75, 0.1),
    ("report", 0.85, 0.15),
];

/// Of such a job without it.
const MEASURED_ALONE: Stages =
    &[("measure", 0.0, 0.1), ("stage1", 0.1, 0.6), ("generate", 0.7, 0.15), ("report", 0.85, 0.15)];

/// The stages of a plan.
pub(super) fn stages(plan: &Value) -> Stages {
    match (plan["measure"].is_object(), plan["private"].is_object()) {
        (false, true) => STAGES,
        (false, false) => WITHOUT_STAGE2,
        (true, true) => MEASURED,
        (true, false) => MEASURED_ALONE,
    }
}

/// The part of a whole job that is done when so many steps of a stage are.
pub(super) fn fraction(stages: Stages, stage: &str, (step, steps): (i32, i32)) -> f64 {
    let (before, share) = place(stages, stage);
    before + share * f64::from(step) / f64::from(steps.max(1))
}

/// What lies before a stage, and its share.
fn place(stages: Stages, stage: &str) -> (f64, f64) {
    stages.iter().find(|s| s.0 == stage).map_or((0.0, 0.0), |s| (s.1, s.2))
}

impl ProgressView {
    fn of(job: &Job, exact: Option<&ExactJob>) -> Option<Self> {
        let Standing { stage, step, steps } = match exact {
            Some(exact) => exact.standing.clone()?,
            None => job.reached.clone()?,
        };
        let stages = stages(&job.plan);
        let so_far = fraction(stages, &stage, (step, steps));
        let done = f64::from(step) / f64::from(steps.max(1));
        // This attempt's pace in this stage is known; the stages after it get their usual share of the whole.
        let since = exact.and_then(|exact| exact.stage_first_step).unwrap_or(step);
        let since = f64::from(since) / f64::from(steps.max(1));
        let seconds = exact.and_then(|exact| exact.stage_seconds);
        let here = seconds.filter(|_| job.status == JobStatus::Running && done - since > 0.02);
        let eta_seconds = here.map(|seconds| {
            let whole = seconds / (done - since) / place(stages, &stage).1.max(0.01);
            (whole * (1.0 - so_far)).max(0.0).round()
        });
        let fraction = if job.status == JobStatus::Succeeded { 1.0 } else { so_far };
        Some(Self { stage, step, steps, fraction, eta_seconds })
    }
}
