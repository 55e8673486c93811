//! The numbers a plan is made of when nobody says otherwise, each from public facts alone.

use crate::model::{Config, Initial};
use crate::tabular::{Codec, Schema};

use super::optimiser::{AdamSettings, Schedule};
use super::plan::{Facts, PublicStage};

/// About how many blocks the private steps are cut into: each costs one commit and one checkpoint,
/// and a crash repeats at most one.
pub const BLOCKS: u32 = 30;

/// Blocks charged for crashes.
pub const SPARE_BLOCKS: u32 = 2;

/// The longest gradient of one row.
pub const CLIPPING_NORM: f64 = 1.0;

/// Constants of DP-Adam.
pub const PRIVATE_ADAM: AdamSettings = AdamSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.0 };

/// The model's size.
pub fn model(codec: &Codec) -> Config {
    Config { vocabulary: codec.vocabulary() as usize, positions: codec.width(), width: 32, layers: 1, heads: 2 }
}

/// How often the loss counts the target.
pub fn target_weight(_schema: &Schema) -> f32 {
    1.0
}

/// Stage 1.
pub fn public_stage(_codec: &Codec) -> PublicStage {
    PublicStage {
        initial: Initial { tokens: 0.3, positions: 0.1, matrices: 0.6, smoothness: 3.0 },
        steps: 20,
        batch: 512,
        schedule: Schedule { rate: 1e-3, warm_up: 5, end: 0.1 },
        adam: AdamSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.01 },
    }
}

/// Private steps.
pub fn steps(_facts: &Facts<'_>) -> u32 {
    300
}

/// Private rows expected in a step.
pub fn expected_batch(facts: &Facts<'_>) -> f64 {
    (facts.rows_public as f64).min(2048.0)
}

/// Learning rate of stage 2.
pub fn private_schedule(rate: Option<f32>, _codec: &Codec) -> Schedule {
    Schedule { rate: rate.unwrap_or(0.006), warm_up: 10, end: 0.0 }
}
