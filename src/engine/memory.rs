//! What a job takes of a worker's memory, from public facts alone, and the room that fits.
//!
//! Buffers are counted by functions beside the code that makes them; what is left over (the program
//! itself, tables, scratch of threads) is measured (`benches/RESULTS.md`). The order of additions in a
//! sum depends on places and lanes of the room, so these are part of the plan and the same wherever it is
//! carried out; a worker that is short of memory may make two passes of one, which changes no bit.

use crate::model::{ConfigError, Gpt2, Lanes, Room, Sampler, Trained};
use crate::tabular::Codec;

use super::checkpoint::Form;
use super::defaults::{ADAPTER, LORA};
use super::dp_step::Work;
use super::generate::WAVE;
use super::measuring::Measuring;
use super::optimiser::Rule;
use super::plan::Plan;
use super::shape::shape;

/// Bytes of a worker before it works on a job.
pub const BASE_BYTES: u64 = 40_000_000;
/// Bytes of a cell of the private table and, once they are written, of the synthetic rows: codes, and the
/// spare half of a vector that grew.
const CELL_BYTES: u64 = 8;
/// Bytes of a cell while the report is made, of all tables.
const REPORT_BYTES: u64 = 24;
/// Bytes of a bin of a row.
const BIN_BYTES: u64 = 2;
/// Rows of bins that are drawn at a time at most.
const POOLED: u64 = 400_000;
/// Bytes of a cell of the tree: beliefs of two fits, potentials, projections, what the minimiser remembers.
const TREE_BYTES: f64 = 500.0;
/// Bytes of scratch of a thread: a block of a product, packed factors, norms of a row.
const THREAD_BYTES: u64 = 4_000_000;

/// The most of stage 1's buffers that the allocator keeps when they are freed, instead of giving it back.
const KEPT_BYTES: u64 = 64_000_000;

/// What stage 2 may train, in the order in which alternatives are named.
const ALTERNATIVES: [Trained; 4] = [Trained::Full, LORA, ADAPTER, Trained::Heads];

/// What a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of memory that it may take.
    pub memory_bytes: u64,
    /// Threads that it computes with, at least 1.
    pub threads: usize,
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The plan was made for another schema.
    #[error("the plan does not fit the schema: {0}")]
    Plan(#[from] ConfigError),
    /// It takes more memory than there is, in the smallest room too.
    #[error("the job needs {needed} bytes of memory, and a worker may take {limit}")]
    TooLarge {
        /// Bytes in the smallest room.
        needed: u64,
        /// Bytes that there are.
        limit: u64,
        /// What would fit instead.
        largest: Largest,
    },
}

/// The largest settings that fit, each with everything else unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// The most synthetic rows; none when a single one is too many.
    pub rows: Option<u64>,
    /// What stage 2 may train instead.
    pub trained: Vec<Trained>,
}

/// The plan with the fastest room that fits. A plan without a room has the fastest of all.
///
/// # Errors
/// [`MemoryError::TooLarge`] with what would fit; [`MemoryError::Plan`] for another schema.
pub fn fit(plan: &Plan, codec: &Codec, machine: Machine) -> Result<Plan, MemoryError> {
    let shapes = Shapes::new(plan, codec)?;
    let rooms = Room::ladder(&shapes.model);
    let fits = |room: &&Room| shapes.bytes(plan, **room, machine.threads) <= machine.memory_bytes;
    match rooms.iter().find(fits) {
        Some(&room) => Ok(Plan { room: (room != rooms[0]).then_some(room), ..plan.clone() }),
        None => Err(too_large(plan, codec, machine)?),
    }
}

/// The plan as this machine can carry it out: as it is, or in two passes.
///
/// # Errors
/// As [`fit`].
pub fn fit_here(plan: &Plan, codec: &Codec, machine: Machine) -> Result<Plan, MemoryError> {
    let shapes = Shapes::new(plan, codec)?;
    let room = plan.room(&shapes.model);
    let two = Room { two_passes: true, ..room };
    let fits = |room: &Room| shapes.bytes(plan, *room, machine.threads) <= machine.memory_bytes;
    match [room, two].into_iter().find(fits) {
        Some(room) => Ok(Plan { room: Some(room), ..plan.clone() }),
        None => Err(too_large(plan, codec, machine)?),
    }
}

/// Bytes that a plan takes in its room.
///
/// # Errors
/// [`ConfigError`] for another schema.
pub fn memory_bytes(plan: &Plan, codec: &Codec, threads: usize) -> Result<u64, ConfigError> {
    let shapes = Shapes::new(plan, codec)?;
    Ok(shapes.bytes(plan, plan.room(&shapes.model), threads))
}

/// Bytes that a plan takes in the smallest room.
fn least_bytes(plan: &Plan, codec: &Codec, threads: usize) -> Result<u64, ConfigError> {
    let shapes = Shapes::new(plan, codec)?;
    let rooms = Room::ladder(&shapes.model);
    Ok(rooms.iter().map(|&room| shapes.bytes(plan, room, threads)).min().unwrap_or(u64::MAX))
}

fn too_large(plan: &Plan, codec: &Codec, machine: Machine) -> Result<MemoryError, ConfigError> {
    let Machine { memory_bytes: limit, threads } = machine;
    let fits = |plan: &Plan| least_bytes(plan, codec, threads).is_ok_and(|bytes| bytes <= limit);
    let with = |rows: u64| Plan { rows, ..plan.clone() };
    // The search keeps `fitting` fitting and `beyond` not.
    let (mut fitting, mut beyond) = (0, plan.rows);
    while fitting + 1 < beyond {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(&with(middle)) { fitting = middle } else { beyond = middle }
    }
    let others = ALTERNATIVES.into_iter().filter(|&trained| plan.private.is_some() && trained != plan.trained);
    let trained = others.filter(|&trained| fits(&Plan { trained, ..plan.clone() })).collect();
    let largest = Largest { rows: (fitting > 0).then_some(fitting), trained };
    Ok(MemoryError::TooLarge { needed: least_bytes(plan, codec, threads)?, limit, largest })
}

/// The models of the two stages.
struct Shapes {
    whole: Gpt2,
    model: Gpt2,
    columns: u64,
}

impl Shapes {
    fn new(plan: &Plan, codec: &Codec) -> Result<Self, ConfigError> {
        let whole = shape(plan, codec)?;
        Ok(Self { model: whole.clone().training(plan.trained)?, whole, columns: codec.width() as u64 })
    }

    /// What the writers take that are at work side by side.
    fn writers(&self, plan: &Plan, threads: usize) -> u64 {
        let rows = (Sampler::rows_of(&self.model) as u64).min(plan.rows).max(1);
        let batches = plan.rows.div_ceil(rows).min(threads.min(WAVE) as u64);
        batches * Sampler::bytes(&self.model, rows as usize) as u64
    }

    /// What a measurement takes, and drawing rows from what it leaves: rows of bins, private ones and drawn ones, those that
    /// are weighed with the cell of each table that each falls into, features of drawn rows, and the tree.
    fn measuring(&self, plan: &Plan, measuring: &Measuring) -> u64 {
        let copies = measuring.copies(plan.rows_public.max(plan.rows));
        let rows = self.columns * BIN_BYTES * (6 * plan.rows_public.min(POOLED) + plan.rows_public + copies);
        let weighed = copies * (4 * measuring.tables(self.columns) + 32);
        let crossed = self.columns.min(24);
        let labels = 60_000 * (4 * self.columns + 4 * crossed * (crossed + 1)) + 120_000 * 4 * self.columns;
        rows + weighed + labels + (TREE_BYTES * measuring.recipe.cells) as u64
    }

    /// The most that any part of the job takes.
    fn bytes(&self, plan: &Plan, room: Room, threads: usize) -> u64 {
        let cells = |rows: u64| self.columns * rows;
        // Rows of stage 1 alone stay beside everything after it.
        let kept = if plan.report.stages { CELL_BYTES * cells(plan.rows) } else { 0 };
        let private = CELL_BYTES * cells(plan.rows_public) + kept;
        let synthetic = CELL_BYTES * cells(plan.rows);
        let report = REPORT_BYTES * cells(plan.rows_public + plan.rows);
        let (form, rule) = (Form::of(plan, self.model.layout()), Rule::Adam(plan.public.adam));
        let (parameters, trained) = (self.whole.layout().len(), self.whole.layout().trained_len());
        let whole = Form { parameters, trained, rule, averaged: false };
        let public_room = Room { two_passes: true, ..room };
        let public = plan.public_table.map_or(0, |table| CELL_BYTES * table.rows * table.columns);
        let stage_one =
            if plan.public.steps == 0 { 0 } else { training(&self.whole, &whole, (1, public_room, threads)) };
        let stage_two = plan.private.map_or(0, |_| training(&self.model, &form, (plan.longest_unit(), room, threads)));
        let measuring = plan.measure.as_ref().map_or(0, |measuring| self.measuring(plan, measuring));
        let weights = form.bytes() as u64;
        let writers = self.writers(plan, threads);
        let released = 8 * self.model.layout().len() as u64;
        // A ready-made model stays in memory beside what is made of it, and is there twice while it is read.
        let base = if plan.base.is_some() { 4 * self.whole.layout().len() as u64 } else { 0 };
        let later = [
            private + measuring,
            private + stage_two + base,
            private + weights + writers + synthetic + base,
            private + weights + released + synthetic + base,
            released + report + kept + base,
            2 * base,
        ];
        let later = later.into_iter().max().unwrap_or_default() + stage_one.min(KEPT_BYTES);
        BASE_BYTES + THREAD_BYTES * threads as u64 + public + later.max(private + stage_one + base)
    }
}

/// Weights, moments, buffers of a step, and a checkpoint as bytes.
fn training(model: &Gpt2, form: &Form, (longest, room, threads): (usize, Room, usize)) -> u64 {
    let step = Lanes::bytes(model, longest, room, threads) + Work::bytes(form.trained);
    (step + 2 * form.bytes()) as u64
}
