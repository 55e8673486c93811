//! A job as steps and events, known before the first one runs: a pure function of public facts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Config, Gpt2, Room, Trained};
use crate::privacy::{
    AccountingError, ClippingNorm, Delta, DpEvent, Epsilon, SamplingRate, UnitError, Work, noise_multiplier_after,
};
use crate::report::Wishes;
use crate::tabular::{Compact, Schema};

use super::average::Averaging;
use super::base::Base;
use super::binned::binned_schema;
use super::canaries::Canaries;
use super::defaults;
use super::dp_step::Mechanism;
use super::measuring::Measuring;
use super::releasing::{ReleaseWish, Releasing};
use super::split::{SplitOverrides, measuring};
use super::stages::{Generator, PrivateStage, PublicStage, PublicTable, Source, charged, opening};
use super::unit::{PersonUnit, units_public};

/// What a plan is made from. Everything in here is public.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The declared columns.
    pub schema: &'a Schema,
    /// The declared number of rows.
    pub rows_public: u64,
    /// Persons, where they are the unit of privacy; else each row is.
    pub persons: Option<PersonUnit>,
    /// Epsilon of the job.
    pub epsilon: Epsilon,
    /// Delta of the job.
    pub delta: Delta,
    /// Synthetic rows to write.
    pub rows: u64,
    /// The ready-made model to start from; none for a small one that is trained from scratch.
    pub base: Option<&'a Base>,
}

/// Choices that a job may make instead of the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// What stage 1 trains on.
    pub source: Source,
    /// The table that it trains on, where that is another one.
    pub public_table: Option<PublicTable>,
    /// Steps of stage 1.
    pub public_steps: Option<u32>,
    /// Whether stage 2 is left out.
    pub without_stage2: bool,
    /// What draws the synthetic rows.
    pub generator: Generator,
    /// Choices about the measurement, where there is one.
    pub split: SplitOverrides,
    /// What stage 2 trains.
    pub trained: Trained,
    /// Private steps; rounded up to whole blocks.
    pub steps: Option<u32>,
    /// Units, rows or persons, expected in a step.
    pub expected_batch: Option<f64>,
    /// Peak learning rate of stage 2.
    pub learning_rate: Option<f32>,
    /// The longest gradient of one unit.
    pub clipping_norm: Option<f64>,
    /// The optimiser of stage 2.
    pub descent: Descent,
    /// Average of the released weights.
    pub average: Option<Averaging>,
    /// Blocks that are charged for crashes.
    pub spare_blocks: Option<u32>,
    /// Figures about the synthetic table for everybody.
    pub release: Option<ReleaseWish>,
}

/// The optimiser of stage 2, its constants left to the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Descent {
    /// DP-Adam.
    #[default]
    Adam,
    /// DP-SGD.
    Sgd {
        /// What is left of the velocity after each step, from 0 to below 1.
        momentum: f32,
    },
}

/// A job: what will run, and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The declared number of rows, which every private sum is divided by (times q) where rows are the
    /// units of privacy.
    pub rows_public: u64,
    /// Persons, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persons: Option<PersonUnit>,
    /// The model's size.
    pub model: Config,
    /// The ready-made model that it starts from, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// What stage 2 trains; stage 1 trains everything.
    #[serde(default)]
    pub trained: Trained,
    /// How much of a batch is in memory at once, where memory made it other than the fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
    /// How often the loss counts the target, where the other columns count once.
    pub target_weight: f32,
    /// What stage 1 trains on.
    #[serde(default)]
    pub source: Source,
    /// The table that it trains on, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_table: Option<PublicTable>,
    /// What is measured first, where stage 1 trains on rows of a distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measuring>,
    /// What draws the synthetic rows.
    #[serde(default)]
    pub generator: Generator,
    /// Stage 1; of no steps where it is left out.
    pub public: PublicStage,
    /// Stage 2; none where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<PrivateStage>,
    /// Made-up rows that an audit asks about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries: Option<Canaries>,
    /// Figures about the synthetic table that are bought for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Releasing>,
    /// Synthetic rows to write.
    pub rows: u64,
    /// What the report is to measure besides the usual.
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub report: Wishes,
    /// Everything private that may happen, spare blocks included: what is charged.
    pub event: DpEvent,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A number is outside its domain.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// No noise in the domain reaches the wanted epsilon.
    #[error(transparent)]
    Accounting(#[from] AccountingError),
    /// A number of steps or rows makes no sense.
    #[error("{what} must be {domain}")]
    Number {
        /// What.
        what: &'static str,
        /// What it must be.
        domain: &'static str,
    },
}

impl PlanError {
    /// The member of the request that is at fault, as far as it is one.
    #[must_use]
    pub fn at(&self) -> &'static str {
        match self {
            Self::Unit(error) => error.unit,
            Self::Accounting(_) => "epsilon",
            Self::Number { what, .. } => what,
        }
    }
}

impl Plan {
    /// Plans a job.
    ///
    /// # Errors
    /// [`PlanError`] when an override is out of its domain or the noise cannot be calibrated.
    pub fn new(facts: &Facts<'_>, overrides: &Overrides) -> Result<Self, PlanError> {
        check(facts, overrides)?;
        let release = overrides.release.map(|wish| Releasing::new(facts.schema, wish, facts.delta)).transpose()?;
        let released = mu2(release.as_ref().map(Releasing::event).as_ref())?;
        let measure = match overrides.source {
            Source::Marginal => Some(measuring(facts, released, (overrides.without_stage2, &overrides.split))?),
            _ => None,
        };
        let opening = opening(measure.as_ref(), release.as_ref());
        // A small model reads and writes bins where there are some.
        let binned = measure.as_ref().filter(|_| facts.base.is_none());
        let binned = binned.map(|measure| binned_schema(facts.schema, &measure.recipe));
        let codec = Compact::new(binned.as_ref().unwrap_or(facts.schema));
        let model = facts.base.map_or_else(|| defaults::model(&codec), |base| base.model.config);
        let private = match overrides.without_stage2 {
            true => None,
            false => Some(private_stage(facts, overrides, (&codec, &model), mu2(opening.as_ref())?)?),
        };
        let (_, event) = charged(opening, private.as_ref());
        Ok(Self {
            rows_public: facts.rows_public,
            persons: facts.persons,
            model,
            base: facts.base.cloned(),
            trained: overrides.trained,
            room: None,
            target_weight: defaults::TARGET_WEIGHT,
            source: overrides.source,
            public_table: overrides.public_table,
            generator: overrides.generator,
            public: public_stage(facts, overrides, &codec),
            measure,
            private,
            canaries: None,
            release,
            rows: facts.rows,
            report: Wishes::default(),
            event,
        })
    }

    /// Everything private that may happen, block by block, for the ledger.
    #[must_use]
    pub fn work(&self) -> Work {
        charged(opening(self.measure.as_ref(), self.release.as_ref()), self.private.as_ref()).0
    }

    /// Facts about the mechanisms that the accounting rests on, for whoever reads the ledger.
    #[must_use]
    pub fn facts(&self) -> Value {
        let counts = "counts with discrete Gaussian noise, exact, from ChaCha20 keyed by the operating system; \
                      sensitivities count all rows of a unit";
        let opening = self.measure.as_ref().map(|_| counts);
        let mut facts = match (self.mechanism(), opening, &self.release) {
            (Some(mechanism), ..) => self.facts_of_steps(&mechanism, opening),
            (None, None, None) => json!({ "releases": "nothing that depends on private rows" }),
            (None, None, Some(_)) => json!({ "max_rows": self.longest_unit() }),
            (None, Some(opening), _) => json!({ "opening": opening, "max_rows": self.longest_unit() }),
        };
        if self.release.is_some() {
            facts["report"] = counts.into();
        }
        facts
    }

    fn facts_of_steps(&self, mechanism: &Mechanism, opening: Option<&str>) -> Value {
        json!({
            "opening": opening,
            "clipping_norm": mechanism.clipping_norm,
            "max_rows": self.longest_unit(),
            "normaliser": mechanism.expected_batch(),
            "sampler": "poisson",
            "noise": "gaussian, drawn once a step in f64 from ChaCha20 keyed by the operating system",
            "neighbours": "add or remove one unit",
            "releases": "the weights after every step",
        })
    }

    /// The declared number of units of privacy.
    #[must_use]
    pub fn units_public(&self) -> u64 {
        units_public(self.rows_public, self.persons)
    }

    /// Whether a language model is trained at all.
    #[must_use]
    pub fn trains(&self) -> bool {
        self.public.steps > 0 || self.private.is_some()
    }

    /// The most tokens of a row.
    #[must_use]
    pub fn places(&self) -> usize {
        self.base.as_ref().map_or(self.model.positions, |base| base.longest)
    }

    /// Most rows that count of one unit.
    #[must_use]
    pub fn longest_unit(&self) -> usize {
        self.persons.map_or(1, |persons| persons.max_rows.get() as usize)
    }

    /// How much of a batch is in memory at once, for the model of stage 2.
    #[must_use]
    pub fn room(&self, model: &Gpt2) -> Room {
        self.room.unwrap_or(Room::of(model))
    }

    /// The mechanism of every private step, where there are any.
    #[must_use]
    pub fn mechanism(&self) -> Option<Mechanism> {
        self.private.map(|private| private.mechanism(self.units_public()))
    }
}

fn public_stage(facts: &Facts<'_>, overrides: &Overrides, codec: &Compact) -> PublicStage {
    let usual = match facts.base {
        Some(_) => defaults::public_stage_of_text(overrides.source, facts.rows_public),
        None => defaults::public_stage(codec, overrides.source, facts.rows_public),
    };
    let is_strange = facts.base.is_none() && overrides.public_table.is_some_and(|table| !table.alike);
    let usual = if is_strange { PublicStage { steps: defaults::STRANGE_STEPS, ..usual } } else { usual };
    // A distribution that draws by itself needs no model.
    let draws_alone = overrides.generator == Generator::Distribution;
    PublicStage { steps: if draws_alone { 0 } else { overrides.public_steps.unwrap_or(usual.steps) }, ..usual }
}

/// The squared mean of counts that are released.
fn mu2(event: Option<&DpEvent>) -> Result<f64, AccountingError> {
    Ok(event.map(DpEvent::loss).transpose()?.map_or(0.0, |loss| loss.mu2()))
}

/// Stage 2, for what counts of the squared mean `before` leave of the job's privacy.
fn private_stage(
    facts: &Facts<'_>,
    overrides: &Overrides,
    (codec, model): (&Compact, &Config),
    before: f64,
) -> Result<PrivateStage, PlanError> {
    let steps = overrides.steps.unwrap_or_else(defaults::steps);
    let block_steps = steps.div_ceil(defaults::BLOCKS);
    let blocks = steps.div_ceil(block_steps);
    let spare_blocks = overrides.spare_blocks.unwrap_or(defaults::SPARE_BLOCKS);
    let units = units_public(facts.rows_public, facts.persons) as f64;
    let batch = overrides.expected_batch.unwrap_or_else(|| defaults::expected_batch(facts, codec, steps));
    let rate = SamplingRate::new((batch / units).min(1.0))?;
    let charged = (blocks + spare_blocks) * block_steps;
    let noise = noise_multiplier_after(before, (rate, charged), facts.epsilon, facts.delta)?;
    let clipping_norm = ClippingNorm::new(overrides.clipping_norm.unwrap_or_else(|| match facts.base {
        Some(_) => defaults::CLIPPING_OF_TEXT,
        None => defaults::clipping_norm(model, overrides.trained),
    }))?;
    // The privacy noise on one parameter's mean gradient.
    let deviation = noise.get() * clipping_norm.get() / (rate.get() * units);
    Ok(PrivateStage {
        blocks,
        block_steps,
        spare_blocks,
        rate,
        noise,
        clipping_norm,
        schedule: defaults::private_schedule(overrides, facts.base.is_some(), deviation),
        rule: defaults::private_rule(overrides.descent),
        average: overrides.average,
    })
}

fn check(facts: &Facts<'_>, overrides: &Overrides) -> Result<(), PlanError> {
    let number = |valid: bool, what, domain| if valid { Ok(()) } else { Err(PlanError::Number { what, domain }) };
    number(
        (1..=u64::from(u32::MAX)).contains(&facts.rows_public),
        "the declared number of rows",
        "from 1 to 2^32 - 1",
    )?;
    let persons = |persons: PersonUnit| {
        (1..=u64::from(u32::MAX)).contains(&persons.persons_public) && persons.fits(facts.schema.width())
    };
    number(facts.persons.is_none_or(persons), "the persons", "from 1 to 2^32 - 1, each small enough for memory")?;
    number((1..=u64::from(u32::MAX)).contains(&facts.rows), "the number of synthetic rows", "from 1 to 2^32 - 1")?;
    number(overrides.public_steps.is_none_or(|n| n <= 100_000), "public_steps", "from 0 to 100000")?;
    number(overrides.steps.is_none_or(|n| (1..=100_000).contains(&n)), "steps", "from 1 to 100000")?;
    number(overrides.spare_blocks.is_none_or(|n| n <= 1000), "spare_blocks", "at most 1000")?;
    number(overrides.expected_batch.is_none_or(|b| (1.0..=131_072.0).contains(&b)), "batch", "from 1 to 131072")?;
    let momentum = |descent| match descent {
        Descent::Adam => true,
        Descent::Sgd { momentum } => (0.0..1.0).contains(&momentum),
    };
    number(momentum(overrides.descent), "momentum", "from 0 to below 1")?;
    let average = |averaging| match averaging {
        Averaging::Exponential { decay } => (0.0..1.0).contains(&decay),
        Averaging::Tail { share } => share > 0.0 && share <= 1.0,
    };
    number(overrides.average.is_none_or(average), "average", "of a decay below 1 or of a share of the steps")?;
    number(overrides.learning_rate.is_none_or(|r| r > 0.0 && r <= 1.0), "learning_rate", "above 0 and at most 1")?;
    Ok(())
}
