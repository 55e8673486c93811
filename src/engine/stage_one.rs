//! Stage 1, variant -U: the model learns on uniform pseudo rows that a row is one token of each
//! column in turn. Nothing private is read.
//!
//! It is kept short on purpose. Columns of uniform rows are independent, so what there is to learn
//! soon is "answer evenly and look at nothing"; beyond that, training would only wear down the
//! hidden states that stage 2 needs to find dependence in.

use crate::model::{Batch, Clipping, Compute, Gpt2, Initial, Room, initial};
use crate::privacy::Purpose;
use crate::tabular::{Codec, uniform_row};

use super::dp_step::Work;
use super::optimiser::Adam;
use super::plan::PublicStage;
use super::ports::{Halt, Progress, Stage, Stop, Streams};

/// Draws the first weights and trains them on pseudo rows.
///
/// # Errors
/// [`Halt`] when the host says so.
pub fn stage_one(
    (model, room, compute): (&Gpt2, Room, &Compute),
    codec: &Codec,
    plan: &PublicStage,
    streams: &dyn Streams,
    stop: &dyn Stop,
) -> Result<Vec<f32>, Halt> {
    let how: &Initial = &plan.initial;
    let mut weights = initial(model, how, &codec.ordered(), &mut streams.stream(Purpose::Weights, 0));
    let (t, spans) = (codec.width(), codec.spans());
    let moves = model.layout().moves();
    let mut adam = Adam::new(model.layout().trained_len());
    // Rows that are not clipped go through two passes whatever the room, so nothing is kept between them.
    let mut work = Work::on(compute, model, 1, Room { two_passes: true, ..room })?;
    let mut tokens = vec![0u32; plan.batch as usize * t];
    for step in 0..plan.steps {
        stop.pulse(Progress { stage: Stage::Stage1, step, steps: plan.steps })?;
        let mut pseudo = streams.stream(Purpose::Pseudo, u64::from(step));
        for row in tokens.chunks_exact_mut(t) {
            uniform_row(&spans, &mut pseudo, row);
        }
        let fetch = |i: usize, row: &mut [u32]| row.copy_from_slice(&tokens[i * t..(i + 1) * t]);
        let batch = Batch::of_rows(plan.batch as usize, &fetch);
        work.lanes.gradient_sum(model, &weights, batch, Clipping::None, &mut work.sum)?;
        work.divide(f64::from(plan.batch));
        adam.step(&plan.adam, plan.schedule.at(step, plan.steps), &work.gradient, (&mut weights, moves));
    }
    Ok(weights)
}
