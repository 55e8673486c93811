//! From a request to a plan: public facts alone, before anything private is read.

use std::borrow::Cow;

use axum::http::StatusCode;
use uuid::Uuid;

use super::desk::Desk;
use super::job_request::{AverageKind, JobRequest, Optimiser, Stage1, Stage2, Training};
use super::method;
use super::problem::Problem;
use super::ready_made;
use crate::engine::{
    ADAPTER, AVERAGE_DECAY, AVERAGE_SHARE, Averaging, Base, Descent, Facts, LORA, MOMENTUM, Machine, MemoryError,
    Overrides, PersonUnit, Plan, PlanError, PublicTable, ReleaseWish, Source, SplitOverrides, fit,
    largest_next_epsilon, memory_bytes, written,
};
use crate::model::Trained;
use crate::privacy::{Account, Delta, Epsilon, Grant, UnitError};
use crate::report::{MAX_TARGETS, Wishes};
use crate::store::{self, Dataset, StoreError};
use crate::tabular::{Codec, Compact, Likeness, Schema};

/// Most rows that one job may generate.
const MAX_ROWS: u64 = 10_000_000;

/// Most cells that one job may generate: they pass through a worker's memory.
const MAX_CELLS: u64 = 200_000_000;

/// Everything that a request says about a plan, for any epsilon.
#[derive(Clone, Debug)]
pub(super) struct Planner {
    schema: Schema,
    codec: Codec,
    base: Option<Base>,
    rows_public: u64,
    persons: Option<PersonUnit>,
    /// The (epsilon, delta) that was asked for.
    pub asked: Grant,
    rows: u64,
    overrides: Overrides,
    wishes: Wishes,
}

impl Planner {
    /// Checks a request against the dataset that it names and the grant that it would spend, and looks up what
    /// else it names.
    pub async fn of_request(
        desk: &Desk,
        request: &JobRequest,
        dataset: &Dataset,
        grant: Grant,
    ) -> Result<Self, Problem> {
        method::check(request, dataset)?;
        let table = match &request.method.public_dataset {
            Some(name) => Some(public_table(desk, name, &dataset.declared()?).await?),
            None => None,
        };
        Self::new(request, dataset, grant, (ready_made::of_request(desk, request, dataset).await?, table))
    }

    /// `codec` and `base` are what it writes rows with.
    fn new(
        request: &JobRequest,
        dataset: &Dataset,
        grant: Grant,
        ((codec, base), public_table): ((Codec, Option<Base>), Option<PublicTable>),
    ) -> Result<Self, Problem> {
        let asked = Grant {
            epsilon: Epsilon::new(request.epsilon)?,
            delta: request.delta.map_or(Ok(grant.delta), Delta::new)?,
        };
        let rows = request.rows.unwrap_or(dataset.rows_public as u64);
        if !(1..=MAX_ROWS).contains(&rows) {
            return Err(Problem::invalid("rows", format!("rows is a number from 1 to {MAX_ROWS}")));
        }
        let schema = dataset.declared()?;
        if rows * schema.width() as u64 > MAX_CELLS {
            let most = MAX_CELLS / schema.width() as u64;
            return Err(Problem::invalid("rows", format!("a table of this width may have {most} rows")));
        }
        let training = request.training;
        let overrides = Overrides {
            source: source(request.method.stage1),
            public_table,
            public_steps: training.public_steps,
            without_stage2: request.method.stage2 == Some(Stage2::None),
            generator: request.method.generator,
            split: SplitOverrides {
                share: request.measuring.share,
                histograms: request.measuring.histograms,
                labels: request.measuring.labels,
                bins: request.measuring.bins,
            },
            trained: trained(request.method.stage2.unwrap_or(Stage2::Full)),
            steps: training.steps,
            expected_batch: training.batch,
            learning_rate: training.learning_rate,
            clipping_norm: training.clipping_norm,
            descent: descent(&training)?,
            average: training.average.map(averaging),
            spare_blocks: None,
            release: release(request, dataset, asked.epsilon)?,
        };
        let (rows_public, persons) = in_training(dataset);
        let wishes = wishes(request, &schema)?;
        Ok(Self { schema, codec, base, rows_public, persons, asked, rows, overrides, wishes })
    }

    /// What a job with the defaults would be, for the largest epsilon that a budget still has room for.
    pub fn default_for(dataset: &Dataset, grant: Grant) -> Result<Self, Problem> {
        let schema = dataset.declared()?;
        let rows = dataset.rows_public.clamp(1, 1000) as u64;
        let overrides = Overrides { source: Source::Marginal, without_stage2: true, ..Overrides::default() };
        let (rows_public, persons) = in_training(dataset);
        let codec = Codec::Compact(Compact::new(&schema));
        let wishes = Wishes::default();
        Ok(Self { schema, codec, base: None, rows_public, persons, asked: grant, rows, overrides, wishes })
    }

    /// The plan for what was asked.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        Ok(Plan { report: self.wishes.clone(), ..self.plan_for(self.asked.epsilon)? })
    }

    /// The plan with another epsilon.
    fn plan_for(&self, epsilon: Epsilon) -> Result<Plan, PlanError> {
        let facts = Facts {
            schema: &self.schema,
            rows_public: self.rows_public,
            persons: self.persons,
            epsilon,
            delta: self.asked.delta,
            rows: self.rows,
            base: self.base.as_ref(),
        };
        Plan::new(&facts, &self.overrides)
    }

    /// A plan of this planner in the fastest room that fits a worker.
    pub fn fit(&self, plan: &Plan, workers: Machine) -> Result<Plan, MemoryError> {
        fit(plan, &self.codec_of(plan), workers)
    }

    /// What a plan writes rows with: bins, where a small model learns from a distribution.
    fn codec_of(&self, plan: &Plan) -> Cow<'_, Codec> {
        match written(plan, &self.schema) {
            Cow::Owned(binned) => Cow::Owned(Codec::Compact(Compact::new(&binned))),
            Cow::Borrowed(_) => Cow::Borrowed(&self.codec),
        }
    }

    /// The plan for what was asked, as a worker can carry it out.
    pub fn fitted(&self, workers: Machine) -> Result<Plan, Problem> {
        let plan = self.plan().map_err(|error| unplanned(&error))?;
        Ok(self.fit(&plan, workers)?)
    }

    /// Bytes of memory that a plan of this planner takes.
    pub fn memory_bytes(&self, plan: &Plan, workers: Machine) -> Result<u64, MemoryError> {
        Ok(memory_bytes(plan, &self.codec_of(plan), workers.threads)?)
    }

    /// A name for all planners that give the same answers about one dataset's budget.
    pub fn name(&self, dataset: Uuid) -> String {
        let base = self.base.as_ref().map_or("small", |base| base.model.name.as_str());
        format!("largest {dataset} {} {base} {:?}", self.asked.delta, self.overrides)
    }

    /// The largest epsilon with which such a job would be admitted.
    pub fn largest(&self, account: &Account) -> f64 {
        largest_next_epsilon(account, |epsilon| self.plan_for(epsilon).ok().map(|plan| plan.work()))
    }
}

/// What the report is to measure besides the usual.
fn wishes(request: &JobRequest, schema: &Schema) -> Result<Wishes, Problem> {
    let targets = &request.report.targets;
    if targets.len() > MAX_TARGETS {
        let detail = format!("a report predicts at most {MAX_TARGETS} columns besides the declared target");
        return Err(Problem::invalid("report.targets", detail));
    }
    for (at, name) in targets.iter().enumerate() {
        let detail = match () {
            () if !schema.columns().iter().any(|column| column.name == *name) => "the dataset has no such column",
            () if targets[..at].contains(name) => "this column is named twice",
            () => continue,
        };
        return Err(Problem::invalid(&format!("report.targets[{at}]"), detail));
    }
    let one_stage = request.method.stage2 == Some(Stage2::None) || request.method.stage1 == Stage1::None;
    if request.report.stages && one_stage {
        let detail = "the job has one stage alone: name a `stage1` and a `stage2` in `method`, or leave this out";
        return Err(Problem::invalid("report.stages", detail));
    }
    Ok(Wishes { targets: targets.clone(), stages: request.report.stages })
}

/// The figures that a request buys for everybody.
fn release(request: &JobRequest, dataset: &Dataset, of_job: Epsilon) -> Result<Option<ReleaseWish>, Problem> {
    let wanted = request.report.released_epsilon;
    let refuse = |detail: &str| Err(Problem::invalid("report.released_epsilon", detail));
    match Epsilon::new(wanted) {
        _ if wanted == 0.0 => Ok(None),
        Err(UnitError { domain, .. }) => refuse(&format!("say 0 for no released figures, or {domain}")),
        Ok(_) if dataset.public => {
            refuse("the dataset is public: nothing is private about it that figures would be bought of; say 0")
        }
        Ok(wanted) if wanted >= of_job => {
            refuse("these figures are paid from the job's epsilon: say less than that, a tenth of it for example")
        }
        Ok(epsilon) => Ok(Some(ReleaseWish { epsilon, held_out: dataset.holdout > 0.0 })),
    }
}

/// What stage 1 trains on, by its name.
fn source(stage1: Stage1) -> Source {
    match stage1 {
        Stage1::Uniform => Source::Uniform,
        Stage1::Public => Source::Public,
        Stage1::Marginal => Source::Marginal,
        Stage1::None => Source::None,
        Stage1::NonPrivate => Source::NonPrivate,
    }
}

/// The newest upload of a public dataset.
async fn public_table(desk: &Desk, name: &str, to: &Schema) -> Result<PublicTable, Problem> {
    let at = |error: StoreError| match error {
        StoreError::NotFound(_) | StoreError::NotPublic | StoreError::NoRows => {
            let detail = format!("{error}: name one that is declared with `access: public` and has rows");
            Problem::invalid("method.public_dataset", detail)
        }
        other => other.into(),
    };
    let dataset = store::find_dataset(&desk.tenant, name).await.map_err(at)?;
    let (version, rows) = store::public_version(&desk.tenant, dataset.id).await.map_err(at)?;
    let declared = dataset.declared()?;
    let columns = declared.width() as u64;
    let alike = Likeness::is_close(&declared, to);
    Ok(PublicTable { dataset: dataset.id, version, rows: rows.unsigned_abs(), columns, alike })
}

/// What stage 2 trains, by its name.
fn trained(stage2: Stage2) -> Trained {
    match stage2 {
        Stage2::Full | Stage2::None => Trained::Full,
        Stage2::Lora => LORA,
        Stage2::Heads => Trained::Heads,
        Stage2::Adapter => ADAPTER,
    }
}

/// The optimiser that a request asks for.
fn descent(training: &Training) -> Result<Descent, Problem> {
    match (training.optimiser, training.momentum) {
        (Some(Optimiser::Sgd), momentum) => Ok(Descent::Sgd { momentum: momentum.unwrap_or(MOMENTUM) }),
        (_, None) => Ok(Descent::Adam),
        (_, Some(_)) => {
            Err(Problem::invalid("training.momentum", "momentum goes with `optimiser: sgd`: leave it out, or say so"))
        }
    }
}

/// Which weights are averaged, by its name.
fn averaging(kind: AverageKind) -> Averaging {
    match kind {
        AverageKind::Exponential => Averaging::Exponential { decay: AVERAGE_DECAY },
        AverageKind::Tail => Averaging::Tail { share: AVERAGE_SHARE },
    }
}

/// What training may expect to see of the declared rows and persons.
fn in_training(dataset: &Dataset) -> (u64, Option<PersonUnit>) {
    let expected = |declared: i64| ((declared as f64 * (1.0 - dataset.holdout)).round() as u64).max(1);
    let persons = dataset
        .persons()
        .map(|persons| PersonUnit { persons_public: expected(persons.persons_public), max_rows: persons.max_rows });
    (expected(dataset.rows_public), persons)
}

/// Runs arithmetic that takes a moment where it holds nobody up.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Says which member of the request is at fault.
pub(super) fn unplanned(error: &PlanError) -> Problem {
    let at = match error.at() {
        "clipping norm" => "training.clipping_norm".to_owned(),
        "released_epsilon" => "report.released_epsilon".to_owned(),
        at @ ("share" | "histograms" | "labels" | "bins") => format!("measuring.{at}"),
        at @ ("public_steps" | "steps" | "batch" | "learning_rate" | "momentum") => format!("training.{at}"),
        at => at.to_owned(),
    };
    Problem::invalid(&at, error.to_string())
}
