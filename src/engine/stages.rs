//! What a plan says of its two stages of training.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::Initial;
use crate::privacy::{ClippingNorm, DpEvent, NoiseMultiplier, SamplingRate, Work};

use super::average::Averaging;
use super::dp_step::Mechanism;
use super::measuring::Measuring;
use super::optimiser::{AdamSettings, Rule, Schedule};
use super::releasing::Releasing;

/// What draws the synthetic rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// Whichever of those that there are is nearer to the noisy tables.
    #[default]
    Auto,
    /// The language model.
    Lm,
    /// The distribution that was fitted to noisy tables.
    Distribution,
}

/// What stage 1 trains on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Uniform rows of the public schema.
    #[default]
    Uniform,
    /// Rows of another table, which is declared public, said in the values of this one.
    Public,
    /// Rows of a distribution that is fitted to noisy marginals.
    Marginal,
    /// Nothing: the stage is left out.
    None,
    /// The table's own rows, without any privacy: it is declared public.
    NonPrivate,
}

/// A table that is declared public, as a plan names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicTable {
    /// The dataset.
    pub dataset: Uuid,
    /// The upload.
    pub version: i32,
    /// Its number of rows.
    pub rows: u64,
    /// Its number of columns.
    pub columns: u64,
    /// Whether most columns of the private table have one of the same name and kind there.
    #[serde(default)]
    pub alike: bool,
}

/// Stage 1: training on rows that cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublicStage {
    /// How the first weights are drawn.
    pub initial: Initial,
    /// Steps.
    pub steps: u32,
    /// Rows in a step.
    pub batch: u32,
    /// Learning rate.
    pub schedule: Schedule,
    /// Constants of `AdamW`.
    pub adam: AdamSettings,
}

/// Stage 2: training on private rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivateStage {
    /// Blocks, each charged before it runs.
    pub blocks: u32,
    /// Steps of a block.
    pub block_steps: u32,
    /// Blocks charged besides, for repeats after crashes.
    pub spare_blocks: u32,
    /// q
    pub rate: SamplingRate,
    /// sigma
    pub noise: NoiseMultiplier,
    /// C
    pub clipping_norm: ClippingNorm,
    /// Learning rate.
    pub schedule: Schedule,
    /// The optimiser. In JSON it is a member of its name, as it was when there was only Adam.
    #[serde(flatten)]
    pub rule: Rule,
    /// Average of the released weights, which is what the job leaves then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<Averaging>,
}

impl PrivateStage {
    /// Blocks that the charge covers.
    #[must_use]
    pub fn blocks_charged(&self) -> u32 {
        self.blocks + self.spare_blocks
    }

    /// Private steps of a run without crashes.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.blocks * self.block_steps
    }

    /// One step, as the accountant sees it.
    #[must_use]
    pub fn step(&self) -> DpEvent {
        DpEvent::gaussian(self.noise).poisson_sampled(self.rate)
    }

    /// Private steps that are charged.
    #[must_use]
    pub fn charged_steps(&self) -> u32 {
        self.blocks_charged() * self.block_steps
    }

    /// The mechanism of every step, for so many declared units of privacy.
    #[must_use]
    pub fn mechanism(&self, units_public: u64) -> Mechanism {
        Mechanism { rate: self.rate, clipping_norm: self.clipping_norm, noise: self.noise, units_public }
    }
}

/// The counts that a job releases besides its steps, if it does: what it measures first, and figures about its table.
pub fn opening(measure: Option<&Measuring>, release: Option<&Releasing>) -> Option<DpEvent> {
    match (measure.map(Measuring::event), release.map(Releasing::event)) {
        (Some(measured), Some(released)) => Some(DpEvent::Composed { events: vec![measured, released] }),
        (measured, released) => measured.or(released),
    }
}

/// Everything private that a job may do, spare blocks included: counts, then stage 2. As work
/// for the ledger, and as one event.
pub fn charged(opening: Option<DpEvent>, private: Option<&PrivateStage>) -> (Work, DpEvent) {
    let Some(private) = private else {
        let work = Work { opening, ..Work::nothing() };
        let event = work.event();
        return (work, event);
    };
    let PrivateStage { blocks, block_steps, spare_blocks, .. } = *private;
    let steps = private.step().self_composed(private.charged_steps());
    let event = match opening.clone() {
        None => steps,
        Some(opening) => DpEvent::Composed { events: vec![opening, steps] },
    };
    (Work { opening, block: private.step().self_composed(block_steps), blocks, spare_blocks }, event)
}
