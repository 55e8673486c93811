//! One attempt at one job, from the claim to its last effect.

use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::appraisal::Appraisal;
use super::energy::{Gauge, work_done};
use super::fault::{Class, Fault};
use super::heartbeat;
use super::tether::{PATIENCE, Tether};
use super::witness::WitnessFile;
use super::worker::Worker;
use crate::engine::{
    self, Drawn, EngineError, Generator, Halt, Host, Job, Machine, Plan, Progress, PublicTable, Ready, Source, Stage,
    Stop, fit_here, system_key,
};
use crate::model::Compute;
use crate::report::released::RealRows;
use crate::report::{self, GeneratorReport, Section, StageOneReport, Tables, utility};
use crate::store::models::Models;
use crate::store::{self, Artifact, ArtifactKind, Blob, Blobs, Claimed, Lease, StoreError, Stored, edge, within};
use crate::tabular::{Mark, Rows, RowsWriter, Schema, Table, decode};

/// Works on a claimed job and leaves it finished, handed back, or to whoever took the lease.
pub(super) async fn run(worker: &Worker, (claimed, sent): (Claimed, Instant), drain: CancellationToken) {
    let (job, attempt) = (claimed.lease.job_id, claimed.attempts);
    let worked_by = worker.presence.name.as_str();
    let span = tracing::info_span!("attempt", job = %job, attempt, worker = worked_by, stage = Empty);
    attend(worker, (claimed, sent), drain).instrument(span).await;
}

async fn attend(worker: &Worker, (claimed, sent): (Claimed, Instant), drain: CancellationToken) {
    let (lease, attempts) = (claimed.lease, claimed.attempts);
    tracing::info!(job = %lease.job_id, attempt = attempts, "claimed");
    let result = if claimed.cancel_requested {
        ended(worker, &claimed, within(PATIENCE, store::finish_cancelled(&worker.pool, lease)).await)
    } else {
        work(worker, (claimed, sent), drain).await
    };
    match result {
        Ok(()) => tracing::info!(job = %lease.job_id, attempt = attempts, "attempt over"),
        Err(error) => tracing::warn!(job = %lease.job_id, %error, "the attempt ended without a last word"),
    }
}

/// A job that ended before this attempt began leaves no checkpoint, nor the key that may be in it.
fn ended(worker: &Worker, claimed: &Claimed, result: Result<(), StoreError>) -> Result<(), StoreError> {
    result?;
    if let Some(checkpoint) = &claimed.checkpoint {
        worker.blobs.remove(&checkpoint.name)?;
    }
    Ok(())
}

/// What an attempt reads before it begins.
struct Task {
    schema: Schema,
    plan: Plan,
    machine: Machine,
    compute: Compute,
    models: Models,
    rows: Blob,
    public: Option<PublicRows>,
    report: bool,
    /// Epsilon and delta that the job was planned for.
    planned: (f64, f64),
}

/// The public table that stage 1 trains on.
struct PublicRows {
    schema: Schema,
    rows: Blob,
}

async fn work(
    worker: &Worker,
    (claimed, sent): (Claimed, Instant),
    drain: CancellationToken,
) -> Result<(), StoreError> {
    let lease = claimed.lease;
    let task = match within(PATIENCE, prepare(worker, &claimed)).await {
        Ok(task) => task,
        Err(error) => {
            tracing::error!(job = %lease.job_id, %error, "the attempt could not begin");
            return give_up(worker, lease, claimed.attempts, "worker_error").await;
        }
    };
    let blobs = worker.blobs.of(claimed.dataset_id);
    let tether =
        Tether::new(worker.pool.clone(), blobs.clone(), (lease, worker.terms, sent), claimed.checkpoint.clone(), drain);
    let tether = Arc::new(tether.before(WitnessFile::of_environment(lease)?));
    let heartbeat = tokio::spawn(heartbeat::beat(tether.clone(), worker.bell.clone()).in_current_span());
    let (hold, span) = (tether.clone(), Span::current());
    let outcome = tokio::task::spawn_blocking(move || span.in_scope(|| produce(&task, &hold, &blobs))).await;
    let result = conclude(worker, &tether, claimed.attempts, outcome.unwrap_or(Err(Fault::Panicked))).await;
    heartbeat.abort();
    result
}

async fn prepare(worker: &Worker, claimed: &Claimed) -> Result<Task, StoreError> {
    let dataset = store::find_dataset(&worker.pool, &claimed.dataset_id.to_string()).await?;
    let rows = store::version_blob(&worker.pool, claimed.dataset_id, claimed.dataset_version).await?;
    let schema = dataset.declared()?;
    let plan: Plan = serde_json::from_value(claimed.plan.clone()).map_err(|_| StoreError::Unreadable("a plan"))?;
    if plan.source == Source::NonPrivate && !dataset.public {
        return Err(StoreError::NotPublic);
    }
    let public = match plan.public_table {
        Some(table) => Some(public_rows(worker, table).await?),
        None => None,
    };
    // Whether a job succeeds must not depend on its private rows, and the report is the one part of
    // it without bounds proven: an attempt that died there is followed by one without a report.
    let report = claimed.stage.as_deref() != Some(Stage::Report.word());
    let (compute, models) = (worker.compute.clone(), worker.models.clone());
    let job = store::find_job(&worker.pool, claimed.lease.job_id).await?;
    let planned = (job.epsilon, job.delta);
    Ok(Task { schema, plan, machine: worker.machine, compute, models, rows, public, report, planned })
}

async fn public_rows(worker: &Worker, table: PublicTable) -> Result<PublicRows, StoreError> {
    let dataset = store::find_dataset(&worker.pool, &table.dataset.to_string()).await?;
    if !dataset.public {
        return Err(StoreError::NotPublic);
    }
    let rows = store::version_blob(&worker.pool, dataset.id, table.version).await?;
    Ok(PublicRows { schema: dataset.declared()?, rows })
}

/// Trains, generates and reports, on a blocking thread.
fn produce(task: &Task, tether: &Tether, blobs: &Blobs) -> Result<Vec<Artifact>, Fault> {
    let base = task.plan.base.as_ref().map(|base| task.models.load_described(&base.model)).transpose();
    let base = base.map_err(|error| Fault::Models(Box::new(error)))?;
    let words = |text: &str| base.as_ref().map_or_else(Vec::new, |base| base.tokenizer.words(text));
    let ready = base.as_ref().map(|base| Ready { weights: &base.weights, words: &words });
    let codec = engine::codec(&task.plan, &task.schema, ready.map(|ready| ready.words)).map_err(EngineError::from)?;
    // The server judged by its own figure; this worker may have less.
    let plan = fit_here(&task.plan, &codec, task.machine)?;
    let most = plan.persons.map(|persons| persons.max_rows);
    let rows = decode(blobs.reader(&task.rows)?, &task.schema, most)?;
    let Rows { train, persons, held_out } = rows;
    let public = match &task.public {
        Some(public) => Some(decode(blobs.reader(&public.rows)?, &public.schema, None)?.train),
        None => None,
    };
    let public = public.as_ref().zip(task.public.as_ref().map(|public| &public.schema));
    let host = Host { meter: tether, vault: tether, stop: tether };
    let canaries = plan.canaries.map(|canaries| canaries.draw(&task.schema));
    let with_canaries = canaries.as_ref().map(|canaries| canaries.among(&train));
    let private = with_canaries.as_ref().unwrap_or(&train);
    let real = Some(RealRows { train: &train, held_out: &held_out });
    let job = Job { plan: &plan, schema: &task.schema, private, public, ready, persons: persons.as_ref(), real };
    let gauge = Gauge::begin(&task.compute);
    let outcome = engine::run_on(&task.compute, &job, &host, &system_key)?;
    let energy = gauge.read();
    let halted = |halt: Halt| Fault::Engine(EngineError::from(halt));
    tether.pulse(Progress { stage: Stage::Report, step: 0, steps: 1 }).map_err(halted)?;
    let (used, others) = outcome.drawn.split_first().ok_or(Fault::Empty)?;
    tether.worked(work_done(&energy, used.rows.rows(), outcome.seconds.generate));
    edge("artifact", "before").map_err(io::Error::other)?;
    let mut artifacts = vec![artifact(ArtifactKind::Synthetic, kept(tether, || store_rows(blobs, &used.rows))?)];
    edge("artifact", "after").map_err(io::Error::other)?;
    if let Some(model) = &outcome.model {
        artifacts.push(artifact(ArtifactKind::Model, kept(tether, || blobs.put(&model.weights))?));
    }
    if let Some(distribution) = &outcome.distribution {
        artifacts.push(artifact(ArtifactKind::Distribution, kept(tether, || blobs.put(distribution))?));
    }
    if let Some(figures) = &outcome.figures {
        let figures = serde_json::to_vec(figures).map_err(io::Error::other)?;
        artifacts.push(artifact(ArtifactKind::Figures, kept(tether, || blobs.put(&figures))?));
    }
    let measure = || {
        let mut report = report::custodian(&task.schema, &train, &held_out, &used.rows);
        let tables = Tables { schema: &task.schema, train: &train, held_out: &held_out, synthetic: &used.rows };
        report.utility.extend(wished(&plan, &task.schema).map(|column| utility(column, tables)));
        if plan.report.stages {
            let resumed = "The attempt that finished the job took it up after stage 1, whose rows were not kept.";
            let alone = outcome.stage_one.as_ref().map(|rows| Tables { synthetic: rows, ..tables });
            let targets = || task.schema.target().into_iter().chain(wished(&plan, &task.schema));
            report.stage_one = alone.map(|alone| StageOneReport::of(alone, targets())).ok_or(resumed.to_owned()).into();
        }
        if let Section::Measured(rules) = &mut report.rules {
            rules.drawn = Some(used.tried);
        }
        let (plan, codec, outcome, planned) = (&plan, &codec, &outcome, task.planned);
        let canaries = canaries.as_ref();
        Appraisal { plan, codec, outcome, tables, planned, energy, canaries }.add_to(&mut report);
        let tried = std::iter::once(used).chain(others);
        report.generators =
            tried.map(|drawn| tried_generator(task, &train, drawn, drawn.generator == used.generator)).collect();
        report
    };
    // A panic there costs the report, not the job.
    if let Some(report) = task.report.then(|| catch_unwind(measure)).and_then(Result::ok) {
        let report = serde_json::to_vec(&report).map_err(io::Error::other)?;
        artifacts.push(artifact(ArtifactKind::Report, kept(tether, || blobs.put(&report))?));
    }
    Ok(artifacts)
}

/// The columns that the report is to predict besides the declared target.
fn wished<'a>(plan: &'a Plan, schema: &'a Schema) -> impl Iterator<Item = usize> + 'a {
    let place = |name: &String| schema.columns().iter().position(|column| column.name == *name);
    plan.report.targets.iter().filter_map(place).filter(|column| schema.target() != Some(*column))
}

/// How near a generator came, for the report.
fn tried_generator(task: &Task, train: &Table, drawn: &Drawn, used: bool) -> GeneratorReport {
    let generator = match drawn.generator {
        Generator::Distribution => "distribution",
        Generator::Auto | Generator::Lm => "lm",
    };
    GeneratorReport::of(&task.schema, train, (generator, &drawn.rows), (used, drawn.distance))
}

/// Stores a result; waits for room where there is none.
fn kept(tether: &Tether, store: impl FnMut() -> io::Result<Stored>) -> Result<Stored, Fault> {
    tether.keep(store).map_err(|halt| EngineError::from(halt).into())
}

fn store_rows(blobs: &Blobs, table: &Table) -> io::Result<Stored> {
    let mut writer = RowsWriter::new(blobs.create()?, table.width(), false)?;
    for row in table.iter() {
        writer.push(row, Mark::default())?;
    }
    writer.into_inner().publish()
}

fn artifact(kind: ArtifactKind, stored: Stored) -> Artifact {
    Artifact { kind, blob: stored.blob, bytes: stored.bytes as i64 }
}

/// Writes the last word of an attempt.
async fn conclude(
    worker: &Worker,
    tether: &Arc<Tether>,
    attempts: i32,
    outcome: Result<Vec<Artifact>, Fault>,
) -> Result<(), StoreError> {
    let (pool, lease) = (&worker.pool, tether.lease);
    let done = match outcome {
        Ok(artifacts) => publish(tether, artifacts).await,
        Err(Fault::Engine(EngineError::Halt(Halt::Cancelled))) => {
            within(PATIENCE, store::finish_cancelled(pool, lease)).await
        }
        Err(Fault::Engine(EngineError::Halt(Halt::LeaseLost))) => return Err(StoreError::LeaseLost),
        Err(Fault::Engine(EngineError::Halt(Halt::Draining))) => {
            return within(PATIENCE, store::hand_back(pool, lease, None)).await;
        }
        Err(fault) => {
            tracing::error!(job = %lease.job_id, attempt = attempts, error = %fault, "the attempt failed");
            match fault.class() {
                Class::Worker(code) if attempts < worker.terms.max_attempts => {
                    return give_up(worker, lease, attempts, code).await;
                }
                Class::Worker(code) | Class::Job(code) => within(PATIENCE, store::fail(pool, lease, code)).await,
            }
        }
    };
    if done.is_ok()
        && let Some(checkpoint) = tether.checkpoint()
    {
        worker.blobs.remove(&checkpoint.name)?;
    }
    done
}

/// Leaves a job to another attempt, after a while that differs from job to job: what failed for many at once is
/// not tried again by all at once.
async fn give_up(worker: &Worker, lease: Lease, attempts: i32, code: &str) -> Result<(), StoreError> {
    let wait = worker.terms.wait_after(attempts).mul_f64(rand::rng().random_range(0.75..1.25));
    within(PATIENCE, store::hand_back(&worker.pool, lease, Some((code, wait)))).await
}

/// Finishes the job; while the database is away and the lease holds, tries again.
async fn publish(tether: &Arc<Tether>, artifacts: Vec<Artifact>) -> Result<(), StoreError> {
    let hold = tether.clone();
    let published =
        tokio::task::spawn_blocking(move || hold.persist(|| store::finish(&hold.pool, hold.lease, &artifacts)));
    match published.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Halt::Cancelled)) => within(PATIENCE, store::finish_cancelled(&tether.pool, tether.lease)).await,
        _ => Err(StoreError::LeaseLost),
    }
}
