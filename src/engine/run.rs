//! A whole attempt at a job: stage 1, stage 2, generation.

use std::time::Instant;

use serde_json::Value;

use crate::model::{Compute, ConfigError, extend, initial, released};
use crate::privacy::Purpose;
use crate::tabular::{Compact, Groups, Likeness, Schema, Table, TextError};

use super::checkpoint::{BadCheckpoint, Checkpoint, Form};
use super::dp_step::PrivateRows;
use super::generate::{Order, generate};
use super::plan::Plan;
use super::ports::{FreshKey, Halt, Host};
use super::shape::{Ready, codec, shape};
use super::stage_one::{Pseudo, StageOne};
use super::stage_two::StageTwo;
use super::stages::Source;
use super::writing::Writer;

/// A job to run.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// What was planned and charged.
    pub plan: &'a Plan,
    /// The schema it was planned for.
    pub schema: &'a Schema,
    /// The dataset's rows, in the schema's codes: the private ones, unless the plan says that they are public.
    pub private: &'a Table,
    /// The rows of the public table that the plan names, and its schema, if it names one.
    pub public: Option<(&'a Table, &'a Schema)>,
    /// The ready-made model that the plan names, if it names one.
    pub ready: Option<Ready<'a>>,
    /// Whose rows they are, where persons are the unit of privacy.
    pub persons: Option<&'a Groups>,
}

/// What a job leaves. All of it is released: a function of the charged event.
pub struct Outcome {
    /// Synthetic rows.
    pub synthetic: Table,
    /// The model's weights, safetensors.
    pub weights: Vec<u8>,
    /// The model's `config.json`.
    pub config: Value,
    /// How long this attempt took. Times depend on the machine's load and, weakly, on private
    /// sample sizes: for the custodian.
    pub seconds: Seconds,
}

/// Wall-clock seconds of the stages that this attempt ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seconds {
    /// Stage 1.
    pub stage1: f64,
    /// Stage 2.
    pub stage2: f64,
    /// Generation.
    pub generate: f64,
}

/// Why an attempt has no outcome. None of these depends on the private rows.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The host ended it.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// The plan was made for another schema.
    #[error("the plan does not fit the schema: {0}")]
    Plan(#[from] ConfigError),
    /// The ready-made model is not the one that the plan was made for.
    #[error("the ready-made model is not of the size that was planned for")]
    Ready,
    /// Its tokenizer cannot write the schema.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The rows of the public table are not there.
    #[error("the plan's public table is missing")]
    Public,
    /// The rows are not in the units that the plan protects.
    #[error("the stored rows are not in the plan's unit of privacy")]
    Unit,
    /// The checkpoint is not this job's.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
}

/// What stage 1 of a job trains on.
fn pseudo<'a>(job: &Job<'a>, likeness: Option<&'a Likeness>) -> Result<Pseudo<'a>, EngineError> {
    match (job.plan.source, job.public.zip(likeness)) {
        (Source::Uniform | Source::None, _) => Ok(Pseudo::Uniform),
        (Source::Public, Some(((table, _), likeness))) => Ok(Pseudo::Like(table, likeness)),
        (Source::NonPrivate, _) => Ok(Pseudo::Table(job.private)),
        (Source::Public | Source::Marginal, _) => Err(EngineError::Public),
    }
}

/// Runs a job on the processor, from its last checkpoint if there is one.
///
/// # Errors
/// [`EngineError`].
pub fn run(job: &Job<'_>, host: &Host<'_>, fresh_key: FreshKey<'_>) -> Result<Outcome, EngineError> {
    run_on(&Compute::Slices, job, host, fresh_key)
}

/// Runs a job, its training on what is named and its generation on the processor.
///
/// # Errors
/// [`EngineError`].
pub fn run_on(
    compute: &Compute,
    job: &Job<'_>,
    host: &Host<'_>,
    fresh_key: FreshKey<'_>,
) -> Result<Outcome, EngineError> {
    if job.persons.is_some() != job.plan.persons.is_some() {
        return Err(EngineError::Unit);
    }
    let codec = codec(job.plan, job.schema, job.ready.map(|ready| ready.words))?;
    let whole = shape(job.plan, &codec)?; // stage 1 trains all of it
    let model = whole.clone().training(job.plan.trained)?;
    let room = job.plan.room(&model);
    let form = Form::of(job.plan, model.layout());
    let mut seconds = Seconds::default();

    let begun = Instant::now();
    let state = match host.vault.load()? {
        Some(bytes) => Checkpoint::from_bytes(&bytes, &form)?,
        None => {
            let key = fresh_key();
            let (compact, public) = (Compact::new(job.schema), &job.plan.public);
            let first = match job.ready {
                Some(ready) if ready.weights.len() == whole.layout().len() => ready.weights.to_vec(),
                Some(_) => return Err(EngineError::Ready),
                None => initial(&whole, &public.initial, &compact.ordered(), &mut key.stream(Purpose::Weights, 0)),
            };
            let likeness = job.public.map(|(_, schema)| Likeness::new(schema, job.schema));
            let pseudo = pseudo(job, likeness.as_ref())?;
            let trainer = StageOne { model: &whole, room, compute, codec: &codec, compact: &compact, pseudo };
            let mut weights = trainer.train(first, public, key.as_ref(), host.stop)?;
            extend(&model, &mut weights, &mut key.stream(Purpose::Weights, 1));
            let state = Checkpoint::first(weights, &form);
            host.vault.save(&state.to_bytes())?;
            state
        }
    };
    seconds.stage1 = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let rows = PrivateRows { table: job.private, persons: job.persons, codec: &codec };
    let state = StageTwo { model: &model, plan: job.plan, room, compute, rows, host: *host, fresh_key }.train(state)?;
    seconds.stage2 = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let key = fresh_key();
    let rows = job.plan.rows as usize;
    let writer = Writer { model: &model, codec: &codec, weights: &state.weights };
    let synthetic = generate(writer, job.schema, &Order::free(rows), (key.as_ref(), host.stop))?;
    seconds.generate = begun.elapsed().as_secs_f64();

    let (config, weights) = released(&model, &state.weights);
    Ok(Outcome { synthetic, weights, config, seconds })
}
