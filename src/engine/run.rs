//! A whole attempt at a job: stage 1, stage 2, generation.

use std::borrow::Cow;
use std::time::Instant;

use serde_json::Value;

use crate::marginals::Distribution;
use crate::model::{Compute, ConfigError, Gpt2, extend, initial, released};
use crate::privacy::{NoiseSource, Purpose};
use crate::report::Section;
use crate::report::released::{RealRows, ReleasedFigures};
use crate::tabular::{Codec, Compact, Groups, Likeness, Schema, Table, TextError};

use super::binned::{binned, decoded, table_of};
use super::checkpoint::{BadCheckpoint, Checkpoint, Form};
use super::dp_step::PrivateRows;
use super::drawing::{Drawing, Drawn};
use super::marked::Marked;
use super::opening::{Behind, Opening, OpeningError};
use super::plan::Plan;
use super::ports::{FreshKey, Halt, Host, Progress, Stage, Stop, Streams, Vault};
use super::release::{Release, drawing_key};
use super::shape::{Ready, codec, shape, written};
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
    /// The dataset's own rows, held-out ones too, where the plan buys figures about them.
    pub real: Option<RealRows<'a>>,
}

/// What a job leaves. All of it is released: a function of the charged event.
pub struct Outcome {
    /// Synthetic rows of each generator that was tried, those to use first. At least one.
    pub drawn: Vec<Drawn>,
    /// The language model, if one was trained.
    pub model: Option<Learnt>,
    /// Rows of the language model as it was after stage 1, where the plan's report wants them and this attempt ran stage 1.
    pub stage_one: Option<Table>,
    /// The distribution, if one was fitted.
    pub distribution: Option<Vec<u8>>,
    /// The figures about the rows to use, if some were bought, or why they were lost.
    pub figures: Option<Section<ReleasedFigures>>,
    /// How long this attempt took. Times depend on the machine's load and, weakly, on private
    /// sample sizes: for the custodian.
    pub seconds: Seconds,
}

/// A language model as it is released.
pub struct Learnt {
    /// The weights, safetensors.
    pub weights: Vec<u8>,
    /// The `config.json`.
    pub config: Value,
}

/// Wall-clock seconds of the stages that this attempt ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seconds {
    /// Measuring.
    #[serde(default)]
    pub measure: f64,
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
    /// The dataset's own rows are not there, or figures were not charged for.
    #[error("the plan's figures cannot be taken")]
    Figures,
    /// The rows are not in the units that the plan protects.
    #[error("the stored rows are not in the plan's unit of privacy")]
    Unit,
    /// The checkpoint is not this job's.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
    /// No row of any generator kept the rules of the schema.
    #[error("no synthetic row kept the rules of the schema")]
    Rules,
    /// There is no distribution.
    #[error(transparent)]
    Opening(OpeningError),
}

impl From<OpeningError> for EngineError {
    fn from(error: OpeningError) -> Self {
        match error {
            OpeningError::Halt(halt) => Self::Halt(halt),
            other => Self::Opening(other),
        }
    }
}

/// Rows that stage 1 is given of a distribution for each declared one, within bounds.
const PSEUDO: u64 = 2;
const PSEUDO_BOUNDS: (u64, u64) = (20_000, 400_000);

/// Rows of the distribution for stage 1: a ready-made model reads values, a small one bins.
fn drawn_rows(plan: &Plan, distribution: &Distribution, key: &dyn Streams) -> Table {
    let count = (PSEUDO * plan.rows_public).clamp(PSEUDO_BOUNDS.0, PSEUDO_BOUNDS.1);
    let mut rng = key.stream(Purpose::Pseudo, u64::from(u32::MAX));
    let rows = distribution.draw(count as usize, &mut rng);
    if plan.base.is_some() { decoded(distribution, &rows, &mut rng) } else { table_of(distribution, &rows) }
}

/// What stage 1 of a job trains on.
fn pseudo<'a>(
    job: &Job<'a>,
    drawn: Option<&'a Table>,
    likeness: Option<&'a Likeness>,
) -> Result<Pseudo<'a>, EngineError> {
    match (job.plan.source, job.public.zip(likeness), drawn) {
        (Source::Uniform | Source::None, ..) => Ok(Pseudo::Uniform),
        (Source::Public, Some(((table, _), likeness)), _) => Ok(Pseudo::Like(table, likeness)),
        (Source::NonPrivate, ..) => Ok(Pseudo::Table(job.private)),
        (Source::Marginal, _, Some(table)) => Ok(Pseudo::Table(table)),
        (Source::Public | Source::Marginal, ..) => Err(EngineError::Public),
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
    let meter = host.meter;
    let mut marked = job.plan.release.as_ref().map(|_| Marked::open(host.vault)).transpose()?;
    let vault = marked.as_ref().map_or(host.vault, |marked| marked as &dyn Vault);
    let host = &Host { vault, ..*host };
    let mut seconds = Seconds::default();
    let begun = Instant::now();
    let kept = match &job.plan.measure {
        Some(measuring) => {
            let rows_each = job.plan.longest_unit() as u32;
            let opening = Opening { measuring, schema: job.schema, rows: job.private, rows_each };
            Some(opening.distribution(host, fresh_key)?)
        }
        None => None,
    };
    let distribution = kept.as_ref().map(|kept| &kept.distribution);
    seconds.measure = begun.elapsed().as_secs_f64();

    let codec = codec(job.plan, job.schema, job.ready.map(|ready| ready.words))?;
    let whole = shape(job.plan, &codec)?; // stage 1 trains all of it
    let model = whole.clone().training(job.plan.trained)?;
    let behind = kept.as_ref().map(|kept| Behind { vault, kept: &kept.bytes });
    let vault = behind.as_ref().map_or(vault, |behind| behind as &dyn Vault);
    let learning =
        Learning { job, compute, models: (&whole, &model), codec: &codec, host: Host { vault, ..*host }, fresh_key };
    let mut stage_one = None;
    let state = match job.plan.trains() {
        true => Some(learning.learn(distribution, (&mut seconds, &mut stage_one))?),
        false => None,
    };

    let begun = Instant::now();
    let writer = state.as_ref().map(|state| Writer { model: &model, codec: &codec, weights: &state.weights });
    let drawing = Drawing { plan: job.plan, schema: job.schema, distribution, writer };
    let key = marked.as_ref().map(|marked| drawing_key(marked, fresh_key));
    let streams: Box<dyn Streams> = key.map_or_else(fresh_key, |key| Box::new(NoiseSource::kept(key)));
    let drawn = drawing.rows(streams.as_ref(), host.stop)?;
    if drawn.is_empty() {
        return Err(EngineError::Rules);
    }
    seconds.generate = begun.elapsed().as_secs_f64();
    let figures = match (marked.as_mut().zip(key), drawn.first()) {
        (Some((marked, key)), Some(used)) => {
            Some(Release::of(job)?.figures((&used.rows, key), (meter, marked), fresh_key)?)
        }
        _ => None,
    };

    let model = state.map(|state| {
        let (config, weights) = released(&model, &state.weights);
        Learnt { weights, config }
    });
    Ok(Outcome { drawn, model, stage_one, distribution: kept.map(|kept| kept.bytes), figures, seconds })
}

/// A way to be stopped that goes on saying the same progress.
struct Silent<'a> {
    stop: &'a dyn Stop,
    at: Progress,
}

impl Stop for Silent<'_> {
    fn pulse(&self, _: Progress) -> Result<(), Halt> {
        self.stop.pulse(self.at)
    }
}

/// The training of a job's language model.
struct Learning<'a> {
    job: &'a Job<'a>,
    compute: &'a Compute,
    /// All of the model, and what stage 2 moves of it.
    models: (&'a Gpt2, &'a Gpt2),
    codec: &'a Codec,
    host: Host<'a>,
    fresh_key: FreshKey<'a>,
}

impl Learning<'_> {
    /// Both stages, from the last checkpoint if there is one. Rows of stage 1 alone are left where they are wanted.
    fn learn(
        &self,
        distribution: Option<&Distribution>,
        (seconds, stage_one): (&mut Seconds, &mut Option<Table>),
    ) -> Result<Checkpoint, EngineError> {
        let Self { job, compute, models: (_, model), codec, host, fresh_key } = *self;
        let (plan, room) = (job.plan, job.plan.room(model));
        let form = Form::of(plan, model.layout());
        let begun = Instant::now();
        let state = match host.vault.load()? {
            Some(bytes) => Checkpoint::from_bytes(&bytes, &form)?,
            None => {
                let state = Checkpoint::first(self.stage_one(distribution, fresh_key().as_ref())?, &form);
                host.vault.save(&state.to_bytes())?;
                if plan.report.stages && plan.private.is_some() {
                    *stage_one = Some(self.rows_so_far(&state, distribution)?);
                }
                state
            }
        };
        seconds.stage1 = begun.elapsed().as_secs_f64();

        let begun = Instant::now();
        // A small model of a measured job reads bins.
        let read = distribution.filter(|_| plan.base.is_none() && plan.private.is_some());
        let private = read.map_or(Cow::Borrowed(job.private), |read| Cow::Owned(binned(read, job.private)));
        let rows = PrivateRows { table: &private, persons: job.persons, codec };
        let state = StageTwo { model, plan, room, compute, rows, host, fresh_key }.train(state)?;
        seconds.stage2 = begun.elapsed().as_secs_f64();
        Ok(state)
    }

    /// Rows of the model as it is after stage 1, drawn as the job's own are.
    fn rows_so_far(&self, state: &Checkpoint, distribution: Option<&Distribution>) -> Result<Table, EngineError> {
        let Self { job, models: (_, model), codec, host, fresh_key, .. } = *self;
        let writer = Writer { model, codec, weights: &state.weights };
        let drawing = Drawing { plan: job.plan, schema: job.schema, distribution, writer: None };
        let steps = job.plan.public.steps;
        let stop = Silent { stop: host.stop, at: Progress { stage: Stage::Stage1, step: steps, steps } };
        Ok(drawing.by_model(writer, fresh_key().as_ref(), &stop)?.rows)
    }

    fn stage_one(&self, distribution: Option<&Distribution>, key: &dyn Streams) -> Result<Vec<f32>, EngineError> {
        let Self { job, compute, models: (whole, model), codec, host, .. } = *self;
        let schema = written(job.plan, job.schema);
        let (compact, public) = (Compact::new(&schema), &job.plan.public);
        let first = match job.ready {
            Some(ready) if ready.weights.len() == whole.layout().len() => ready.weights.to_vec(),
            Some(_) => return Err(EngineError::Ready),
            None => initial(whole, &public.initial, &compact.ordered(), &mut key.stream(Purpose::Weights, 0)),
        };
        let likeness = job.public.map(|(_, schema)| Likeness::new(schema, job.schema));
        let drawn = distribution.map(|distribution| drawn_rows(job.plan, distribution, key));
        let pseudo = pseudo(job, drawn.as_ref(), likeness.as_ref())?;
        let room = job.plan.room(model);
        let trainer = StageOne { model: whole, room, compute, codec, compact: &compact, schema: &schema, pseudo };
        let mut weights = trainer.train(first, public, key, host.stop)?;
        extend(model, &mut weights, &mut key.stream(Purpose::Weights, 1));
        Ok(weights)
    }
}
