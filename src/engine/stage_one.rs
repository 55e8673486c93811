//! Stage 1: the model learns on rows that cost nothing. Nothing private is read.
//!
//! On uniform pseudo rows (variant -U) a row is one token of each column in turn, and training is kept short
//! on purpose. Columns of uniform rows are independent, so what there is to learn soon is "answer evenly and
//! look at nothing"; beyond that, training would only wear down the hidden states that stage 2 needs to find
//! dependence in. On rows of a table (public ones, or drawn from what was measured) it is real training.

use rand::Rng;

use crate::model::{Batch, Clipping, Compute, Gpt2, Room};
use crate::privacy::Purpose;
use crate::tabular::{Codec, Compact, Likeness, Schema, Table, uniform_row};

use super::dp_step::Work;
use super::encoded::Encoded;
use super::optimiser::Adam;
use super::ports::{Halt, Progress, Stage, Stop, Streams};
use super::stages::PublicStage;

/// Rows that stage 1 trains on.
#[derive(Clone, Copy)]
pub enum Pseudo<'a> {
    /// Uniform rows of the schema.
    Uniform,
    /// Rows of a table of the schema, drawn evenly with replacement. Where it has none: uniform ones.
    Table(&'a Table),
    /// Rows of a table of another schema, drawn in the same way and said in the values of this one.
    Like(&'a Table, &'a Likeness),
}

/// What stage 1 works with.
#[derive(Clone, Copy)]
pub struct StageOne<'a> {
    /// The model's shape, all of it trained.
    pub model: &'a Gpt2,
    /// How much of a batch is in memory at once.
    pub room: Room,
    /// What computes the passes.
    pub compute: &'a Compute,
    /// How rows are written.
    pub codec: &'a Codec,
    /// The schema's compact codec, over whose tokens pseudo rows are uniform.
    pub compact: &'a Compact,
    /// The schema that the model writes, whose rules uniform pseudo rows keep where that is likely enough.
    pub schema: &'a Schema,
    /// What it trains on.
    pub pseudo: Pseudo<'a>,
}

impl StageOne<'_> {
    /// Trains the first weights.
    ///
    /// # Errors
    /// [`Halt`] when the host says so.
    pub fn train(
        &self,
        mut weights: Vec<f32>,
        plan: &PublicStage,
        streams: &dyn Streams,
        stop: &dyn Stop,
    ) -> Result<Vec<f32>, Halt> {
        let Self { model, room, compute, codec, compact, schema, pseudo } = *self;
        let spans = compact.spans();
        let moves = model.layout().moves();
        let mut adam = Adam::new(model.layout().trained_len());
        // Rows that are not clipped go through two passes whatever the room, so nothing is kept between them.
        let mut work = Work::on(compute, model, 1, Room { two_passes: true, ..room })?;
        let rows: Vec<u32> = (0..plan.batch).collect();
        for step in 0..plan.steps {
            stop.pulse(Progress { stage: Stage::Stage1, step, steps: plan.steps })?;
            let mut rng = streams.stream(Purpose::Pseudo, u64::from(step));
            let table = match pseudo {
                Pseudo::Table(table) if table.rows() > 0 => drawn(table, plan.batch, &mut rng),
                Pseudo::Like(table, likeness) if table.rows() > 0 => {
                    likeness.table(&drawn(table, plan.batch, &mut rng), &mut rng)
                }
                _ => uniform_rows((schema, compact), &spans, plan.batch, &mut rng),
            };
            let encoded = Encoded { table: &table, rows: &rows, codec };
            let batch = Batch::of_ragged_rows(rows.len(), &encoded);
            work.lanes.gradient_sum(model, &weights, batch, Clipping::None, &mut work.sum)?;
            work.divide(f64::from(plan.batch));
            adam.step(&plan.adam, plan.schedule.at(step, plan.steps), &work.gradient, (&mut weights, moves));
        }
        Ok(weights)
    }
}

/// How often a pseudo row is drawn until it keeps the rules.
const TRIES: usize = 16;

/// Rows whose tokens in the compact codec are uniform, among rows that keep the rules of the schema.
fn uniform_rows<R: Rng>(
    (schema, compact): (&Schema, &Compact),
    spans: &[std::ops::Range<u32>],
    rows: u32,
    rng: &mut R,
) -> Table {
    let width = compact.width();
    let (mut tokens, mut row) = (vec![0; width], vec![0; width]);
    let mut table = Table::new(width, Vec::with_capacity(rows as usize * width));
    for _ in 0..rows {
        for _ in 0..TRIES {
            uniform_row(spans, rng, &mut tokens);
            compact.decode(&tokens, rng, &mut row);
            if schema.settle(&mut row) {
                break;
            }
        }
        table.push(&row);
    }
    table
}

/// Rows of a table that has some, evenly and with replacement.
fn drawn<R: Rng>(table: &Table, rows: u32, rng: &mut R) -> Table {
    let mut batch = Table::new(table.width(), Vec::with_capacity(rows as usize * table.width()));
    for _ in 0..rows {
        batch.push(table.row(rng.random_range(0..table.rows())));
    }
    batch
}
