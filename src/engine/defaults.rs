//! The numbers a plan is made of when nobody says otherwise, each from public facts alone.
//!
//! They were chosen on UCI Adult at epsilon 1 and checked on another table; none is fitted to a
//! table's contents.

use crate::model::{Config, Initial, Targets, Trained};
use crate::tabular::{Compact, START};

use super::optimiser::{AdamSettings, Rule, Schedule, SgdSettings};
use super::plan::{Descent, Facts, Overrides};
use super::stages::{PublicStage, Source};
use super::unit::{rows_each, units_public};

/// About how many blocks the private steps are cut into: each costs one commit and one checkpoint,
/// and a crash repeats at most one.
pub const BLOCKS: u32 = 30;

/// Blocks charged for crashes. Two beside thirty cost 3 % more noise.
pub const SPARE_BLOCKS: u32 = 2;

/// How often the loss counts the target, where the other columns count once. More would sharpen
/// what predicts the target, but rows of its rare classes would then be the ones that are clipped.
pub const TARGET_WEIGHT: f32 = 1.0;

/// Low-rank updates of a job that asks for them.
pub const LORA: Trained = Trained::Lora { rank: 8, alpha: 16, targets: Targets::ALL };

/// The adapter of a job that asks for one.
pub const ADAPTER: Trained = Trained::Adapter { width: 16 };

/// Constants of DP-Adam. A short memory of squares forgets the large gradients of the first steps.
pub const PRIVATE_ADAM: AdamSettings = AdamSettings { beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weight_decay: 0.0 };

/// Momentum of DP-SGD unless a job says another.
pub const MOMENTUM: f32 = 0.9;

/// What an exponential average keeps of itself: a memory of about fifty steps.
pub const AVERAGE_DECAY: f32 = 0.98;

/// The part of the steps that a tail average is over.
pub const AVERAGE_SHARE: f32 = 0.25;

/// Steps of stage 1 on the rows of another table, and the fewest on the table's own.
pub const PUBLIC_STEPS: u32 = 600;

/// Steps of a small model on a table that is about something else: as with uniform rows, what lasts longer is learnt to
/// be unlearnt (Adult after 20 steps on Airline: F1 .61; after 600: .41).
pub const STRANGE_STEPS: u32 = 20;

/// How often stage 1 passes over the table's own rows, up to [`MOST_STEPS`].
const EPOCHS: u64 = 20;

/// The most steps of stage 1 unless a job says another number.
const MOST_STEPS: u64 = 4000;

/// The most tokens expected in a step: bounds the work for long and wide tables.
const TOKENS: f64 = 65_536.0;

/// Columns at which a token costs twice as much as in a narrow table, for attention looks back over
/// all of them.
const WIDE: f64 = 400.0;

/// A batch in which the rows' own scatter is small beside the privacy noise.
const LEAST_BATCH: f64 = 256.0;

/// The model's size.
pub fn model(codec: &Compact) -> Config {
    Config {
        vocabulary: codec.vocabulary() as usize,
        positions: codec.width(),
        width: 64,
        layers: 1,
        heads: 4,
        opening: START,
    }
}

/// Stage 1 on up to 256 rows a step, fewer in wide tables: a few steps on uniform rows, real training on rows
/// of a table.
pub fn public_stage(codec: &Compact, source: Source, rows: u64) -> PublicStage {
    let batch = (8192 / codec.width() as u32).clamp(16, 256);
    let initial = Initial { tokens: 0.1, positions: 0.1, matrices: 0.6, smoothness: 0.1 };
    let adam = AdamSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.01 };
    match source {
        Source::Uniform | Source::None => {
            let steps = if source == Source::None { 0 } else { 20 };
            PublicStage { initial, steps, batch, schedule: Schedule { rate: 1e-3, warm_up: 5, end: 0.1 }, adam }
        }
        Source::Public | Source::Marginal | Source::NonPrivate => {
            let steps = table_steps(source, rows, batch);
            PublicStage { initial, steps, batch, schedule: Schedule { rate: 0.01, warm_up: 50, end: 0.02 }, adam }
        }
    }
}

/// Steps of stage 1 on rows of a table: another table teaches what is common to both, the own one all that
/// there is to learn.
fn table_steps(source: Source, rows: u64, batch: u32) -> u32 {
    match source {
        Source::Public => PUBLIC_STEPS,
        _ => (EPOCHS * rows).div_ceil(u64::from(batch)).clamp(u64::from(PUBLIC_STEPS), MOST_STEPS) as u32,
    }
}

/// Stage 1 of a ready-made model: rate and batch of the published run (Afonja et al. 2025), and far fewer steps.
pub fn public_stage_of_text(source: Source, rows: u64) -> PublicStage {
    let batch = 32;
    let steps = match source {
        Source::None => 0,
        Source::Uniform => 100,
        _ => table_steps(source, rows, batch),
    };
    PublicStage {
        initial: Initial { tokens: 0.0, positions: 0.0, matrices: 0.0, smoothness: 0.0 },
        steps,
        batch,
        schedule: Schedule { rate: 5e-4, warm_up: 10, end: 0.1 },
        adam: AdamSettings { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 },
    }
}

/// The longest gradient of one unit in a ready-made model: the published run's.
pub const CLIPPING_OF_TEXT: f64 = 1.0;

/// The longest gradient of one unit: about as long as most rows' are, so that rows with rare values
/// are not pushed aside, and not longer, since the noise grows with it.
///
/// Heads of different columns share no parameters, so the head's part of a gradient has the length
/// `sqrt(d sum of share^2)`, where a column's share of the loss is `1 / columns` when all weigh the
/// same; the other parts grow with it.
pub fn clipping_norm(model: &Config, trained: Trained) -> f64 {
    let target = f64::from(TARGET_WEIGHT);
    let others = model.positions as f64 - 1.0;
    let shares = (others + target.powi(2)) / (others + target).powi(2);
    let heads = (model.width as f64 * shares).sqrt();
    heads
        * match trained {
            Trained::Full => 1.4,
            Trained::Heads | Trained::Lora { .. } | Trained::Adapter { .. } => 1.0,
        }
}

/// Private steps.
pub fn steps() -> u32 {
    300
}

/// Units of privacy expected in a step.
///
/// At a noise multiplier of 3 or more the noise on the mean hardly depends on the batch any more
/// (it is within a tenth of the full batch's), so larger batches would only cost time. The
/// multiplier is about `4 batch sqrt(steps) / (rows epsilon)` there.
pub fn expected_batch(facts: &Facts<'_>, codec: &Compact, steps: u32) -> f64 {
    let units = units_public(facts.rows_public, facts.persons) as f64;
    let rows_each = rows_each(facts.rows_public, facts.persons);
    let enough = 0.75 * units * facts.epsilon.get().max(1.0) / f64::from(steps).sqrt();
    let places = facts.base.map_or(codec.width(), |base| base.longest) as f64;
    let affordable = TOKENS / (rows_each * places * (1.0 + places / WIDE));
    enough.max(LEAST_BATCH).min(affordable).max(1.0).min(units)
}

/// The optimiser of stage 2.
pub fn private_rule(descent: Descent) -> Rule {
    match descent {
        Descent::Adam => Rule::Adam(PRIVATE_ADAM),
        Descent::Sgd { momentum } => Rule::Sgd(SgdSettings { momentum, weight_decay: 0.0 }),
    }
}

/// Learning rate of stage 2, where the privacy noise on one parameter's mean gradient has the standard
/// deviation `deviation`.
pub fn private_schedule(overrides: &Overrides, ready_made: bool, deviation: f64) -> Schedule {
    let usual = match (ready_made, overrides.trained) {
        (false, _) => 0.008,
        (true, Trained::Full) => 5e-4, // the published run's
        (true, Trained::Heads | Trained::Lora { .. } | Trained::Adapter { .. }) => 1e-3,
    };
    let usual = match overrides.descent {
        Descent::Adam => usual,
        // Adam divides by about the size of the noise. With this rate the noise alone moves a parameter as
        // far in the long run as it would with Adam, and momentum changes nothing in that.
        Descent::Sgd { momentum } => (f64::from(usual * (1.0 - momentum)) / deviation).min(1.0) as f32,
    };
    Schedule { rate: overrides.learning_rate.unwrap_or(usual), warm_up: 10, end: 0.0 }
}
