//! What the engine needs from whoever runs it: permission to spend, a place for checkpoints, a way
//! to be stopped, and randomness. The engine owns these traits; the queue implements them.

use rand::RngCore;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

use crate::marginals::Refused;
use crate::model::DeviceError;
use crate::privacy::{NoiseSource, Purpose};

/// Permission to run private work.
pub trait Meter {
    /// Asks for the counts that a job measures by no block to be charged: the whole plan, once. It is committed
    /// before a private row is looked at, and counts as no block. After a crash it is asked for again and
    /// costs nothing again: the key of the measurement is kept in the job's checkpoint until the measurement
    /// is done, so a repetition gives the same noise to the same sums. Whoever repeats with another key has
    /// to pay for another measurement.
    ///
    /// # Errors
    /// [`Halt`]; nothing private has been touched then.
    fn claim_opening(&self) -> Result<(), Halt>;

    /// Asks for private block `block` (a fixed number of steps) to be charged. It is committed
    /// before the block's noise key exists. After a crash the same block is asked for again; each
    /// call uses up one of the plan's `blocks + spare_blocks`. Where nothing is measured before, the first
    /// call of a job, for block 0, is the moment at which the private phase begins.
    ///
    /// # Errors
    /// [`Halt`]; nothing private has been touched for this block then.
    fn claim_block(&self, block: u32) -> Result<(), Halt>;

    /// Whoever is to be told of every release: a test that holds what was done against what was charged.
    fn witness(&self) -> Option<&dyn Witness> {
        None
    }
}

/// Is told of every release about private rows, a moment before its noise is drawn. Nothing is released that was
/// not told; what was told last may not have been released.
pub trait Witness {
    /// A private step, and the stream that its noise will come from.
    ///
    /// # Errors
    /// [`Halt`] when it cannot be kept; then the step must not be.
    fn step(&self, block: u32, step: u32, noise: ChaCha20Rng) -> Result<(), Halt>;

    /// Exact counts that get noise for the price of a Gaussian of squared mean `mu2`, and the stream that it will come
    /// from. `part` names the part of the plan that pays for them.
    ///
    /// # Errors
    /// [`Refused`] when it cannot be kept; then they must not be released.
    fn counts(&self, part: &str, counts: &[i64], mu2: f64, noise: ChaCha20Rng) -> Result<(), Refused>;
}

/// Where checkpoints are kept, sealed. Only the latest one counts.
pub trait Vault {
    /// Replaces the checkpoint.
    ///
    /// # Errors
    /// [`Halt`] when it could not be stored durably.
    fn save(&self, checkpoint: &[u8]) -> Result<(), Halt>;

    /// The latest checkpoint of this job, if there is one.
    ///
    /// # Errors
    /// [`Halt`] when it could not be read.
    fn load(&self) -> Result<Option<Vec<u8>>, Halt>;
}

/// A way to be stopped.
pub trait Stop {
    /// Called once a step: reports public progress, asks whether to go on.
    ///
    /// # Errors
    /// [`Halt`] when the work is to end here.
    fn pulse(&self, progress: Progress) -> Result<(), Halt>;
}

/// The three ports of one attempt at a job.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// Permission to run private work.
    pub meter: &'a dyn Meter,
    /// Where checkpoints are kept.
    pub vault: &'a dyn Vault,
    /// A way to be stopped.
    pub stop: &'a dyn Stop,
}

/// Why an attempt ends before the job does. Says nothing about rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Somebody cancelled the job.
    #[error("the job was cancelled")]
    Cancelled,
    /// Another worker holds the job now.
    #[error("the lease was lost")]
    LeaseLost,
    /// All blocks that were charged, the spare ones included, are used up.
    #[error("the reservation is exhausted")]
    ReservationExhausted,
    /// The worker is to stop, and another one will go on.
    #[error("the worker drains")]
    Draining,
    /// The host could not do its part.
    #[error("the host failed: {0}")]
    Host(String),
}

impl From<DeviceError> for Halt {
    /// A device is the host's: another attempt may find it working again.
    fn from(error: DeviceError) -> Self {
        Self::Host(error.to_string())
    }
}

/// How far a job has come: steps, which are public, and never times or losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The stage it is in.
    pub stage: Stage,
    /// Steps of the stage that are behind it.
    pub step: u32,
    /// Steps of the stage in all.
    pub steps: u32,
}

/// The stages of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Measuring noisy counts.
    Measure,
    /// Training on pseudo rows.
    Stage1,
    /// Training on the private rows.
    Stage2,
    /// Writing synthetic rows.
    Generate,
    /// Measuring them.
    Report,
}

impl Stage {
    /// The word for it in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Stage1 => "stage1",
            Self::Stage2 => "stage2",
            Self::Generate => "generate",
            Self::Report => "report",
        }
    }
}

/// Streams of randomness under one key. [`NoiseSource`] is the one that privacy rests on; tests put
/// a constant in its place.
pub trait Streams: Sync {
    /// The stream of a purpose at a step.
    fn stream(&self, purpose: Purpose, step: u64) -> ChaCha20Rng;
}

impl Streams for NoiseSource {
    fn stream(&self, purpose: Purpose, step: u64) -> ChaCha20Rng {
        NoiseSource::stream(self, purpose, step)
    }
}

/// Makes a fresh key; called once for stage 1, once for each private block after it was claimed,
/// and once for generation, in every attempt.
pub type FreshKey<'a> = &'a dyn Fn() -> Box<dyn Streams>;

/// A key that is kept, out of a fresh one that serves nothing else.
pub(super) fn key_to_keep(fresh_key: FreshKey<'_>, purpose: Purpose) -> [u8; 32] {
    let mut key = [0; 32];
    fresh_key().stream(purpose, 0).fill_bytes(&mut key);
    key
}

/// Keys from the operating system.
#[must_use]
pub fn system_key() -> Box<dyn Streams> {
    Box::new(NoiseSource::from_os())
}
