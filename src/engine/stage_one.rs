//! Stage 1, variant -U: the model learns on uniform pseudo rows that a row is one token of each
//! column in turn. Nothing private is read.
//!
//! It is kept short on purpose. Columns of uniform rows are independent, so what there is to learn
//! soon is "answer evenly and look at nothing"; beyond that, training would only wear down the
//! hidden states that stage 2 needs to find dependence in.

use crate::model::{Batch, Clipping, Compute, Gpt2, Room};
use crate::privacy::Purpose;
use crate::tabular::{Codec, Compact, Table, uniform_row};

use super::dp_step::Work;
use super::encoded::Encoded;
use super::optimiser::Adam;
use super::plan::PublicStage;
use super::ports::{Halt, Progress, Stage, Stop, Streams};

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
}

impl StageOne<'_> {
    /// Trains the first weights on pseudo rows.
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
        let Self { model, room, compute, codec, compact } = *self;
        let spans = compact.spans();
        let moves = model.layout().moves();
        let mut adam = Adam::new(model.layout().trained_len());
        // Rows that are not clipped go through two passes whatever the room, so nothing is kept between them.
        let mut work = Work::on(compute, model, 1, Room { two_passes: true, ..room })?;
        let rows: Vec<u32> = (0..plan.batch).collect();
        for step in 0..plan.steps {
            stop.pulse(Progress { stage: Stage::Stage1, step, steps: plan.steps })?;
            let mut pseudo = streams.stream(Purpose::Pseudo, u64::from(step));
            let table = uniform_rows(compact, &spans, plan.batch, &mut pseudo);
            let encoded = Encoded { table: &table, rows: &rows, codec };
            let batch = Batch::of_ragged_rows(rows.len(), &encoded);
            work.lanes.gradient_sum(model, &weights, batch, Clipping::None, &mut work.sum)?;
            work.divide(f64::from(plan.batch));
            adam.step(&plan.adam, plan.schedule.at(step, plan.steps), &work.gradient, (&mut weights, moves));
        }
        Ok(weights)
    }
}

/// Rows whose tokens in the compact codec are uniform.
fn uniform_rows<R: rand::Rng>(compact: &Compact, spans: &[std::ops::Range<u32>], rows: u32, rng: &mut R) -> Table {
    let width = compact.width();
    let (mut tokens, mut row) = (vec![0; width], vec![0; width]);
    let mut table = Table::new(width, Vec::with_capacity(rows as usize * width));
    for _ in 0..rows {
        uniform_row(spans, rng, &mut tokens);
        compact.decode(&tokens, rng, &mut row);
        table.push(&row);
    }
    table
}
