//! Stage 2: DP-Adam or DP-SGD on the private rows, moving what the plan trains, in blocks that are charged
//! before they run.
//!
//! Everything after [`Mechanism::release`](super::dp_step::Mechanism::release) is post-processing of
//! released gradients: the optimiser, a learning rate that is a function of the step alone, averages.

use crate::model::{Compute, Gpt2, Room};
use crate::privacy::Purpose;

use super::checkpoint::Checkpoint;
use super::dp_step::{Chance, PrivateRows, Work};
use super::plan::Plan;
use super::ports::{FreshKey, Halt, Host, Progress, Stage};
use super::stages::PrivateStage;

/// What stage 2 works with.
#[derive(Clone, Copy)]
pub struct StageTwo<'a> {
    /// The model's shape.
    pub model: &'a Gpt2,
    /// What was charged.
    pub plan: &'a Plan,
    /// How much of a batch is in memory at once.
    pub room: Room,
    /// What computes the passes.
    pub compute: &'a Compute,
    /// The private rows.
    pub rows: PrivateRows<'a>,
    /// Permission to spend, checkpoints, cancellation.
    pub host: Host<'a>,
    /// A key for each block.
    pub fresh_key: FreshKey<'a>,
}

impl StageTwo<'_> {
    /// Trains from a checkpoint to the end of the plan and returns the last state, whose weights are the
    /// average where the plan wants one; the checkpoint itself where the plan has no stage 2.
    ///
    /// # Errors
    /// [`Halt`] when the host says so.
    pub fn train(&self, mut state: Checkpoint) -> Result<Checkpoint, Halt> {
        let Some(private) = &self.plan.private else { return Ok(state) };
        let mut work = Work::on(self.compute, self.model, self.plan.longest_unit(), self.room)?;
        while state.blocks < private.blocks {
            self.block(private, &mut state, &mut work)?;
            self.host.vault.save(&state.to_bytes())?;
        }
        if let Some(average) = &state.average {
            average.put((&mut state.weights, self.model.layout().moves()));
        }
        Ok(state)
    }

    /// One block: claimed, keyed, run.
    fn block(&self, private: &PrivateStage, state: &mut Checkpoint, work: &mut Work<'_>) -> Result<(), Halt> {
        let (mechanism, steps) = (private.mechanism(self.plan.units_public()), private.steps());
        self.host.meter.claim_block(state.blocks)?;
        let key = (self.fresh_key)(); // exists only once the claim is committed, and ends with the block
        let moves = self.model.layout().moves();
        let first = state.blocks * private.block_steps;
        for step in first..first + private.block_steps {
            self.host.stop.pulse(Progress { stage: Stage::Stage2, step, steps })?;
            let chance = Chance { streams: key.as_ref(), step: u64::from(step) };
            if let Some(witness) = self.host.meter.witness() {
                witness.step(state.blocks, step, key.stream(Purpose::Noise, chance.step))?;
            }
            mechanism.release(&state.weights, self.rows, chance, work)?;
            let rate = private.schedule.at(step, steps);
            state.optimiser.step(rate, &work.gradient, (&mut state.weights, moves));
            if let (Some(average), Some(averaging)) = (&mut state.average, private.average) {
                average.take(averaging, (step, steps), (&state.weights, moves));
            }
        }
        state.blocks += 1;
        Ok(())
    }
}
