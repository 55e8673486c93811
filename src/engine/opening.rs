//! The measurement that a job may open with, so that a crash neither loses it nor makes it cost twice.
//!
//! Its key is kept in the checkpoint before anything is charged, and goes when the noisy counts are kept in its
//! place. A repeat after a crash draws the same noise for the same counts: nothing is released that the first run
//! would not have released, so one charge covers all attempts.

use rand_chacha::ChaCha20Rng;

use crate::marginals::{BadDistribution, Distribution, Refused, Survey};
use crate::privacy::{NoiseSource, Purpose};
use crate::tabular::{MISSING, Schema, Table};

use super::frame::{HEAD, framed, unframed};
use super::instrument::Noise;
use super::measuring::{Measuring, axes};
use super::ports::{FreshKey, Halt, Host, Progress, Stage, Vault, key_to_keep};

/// What a measurement works with.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// What was charged.
    pub measuring: &'a Measuring,
    /// The schema of the rows.
    pub schema: &'a Schema,
    /// The private rows.
    pub rows: &'a Table,
    /// Rows of one unit of privacy at most.
    pub rows_each: u32,
}

/// Why there is no distribution. Says nothing about rows.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The host ended it.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// The plan's shares do not cover the plan's measurement: a fault of the program.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The checkpoint is not this job's.
    #[error(transparent)]
    Stored(#[from] BadDistribution),
}

impl Opening<'_> {
    /// The distribution: from the checkpoint if it is there, else measured, and then kept.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn distribution(&self, host: &Host<'_>, fresh_key: FreshKey<'_>) -> Result<Kept, OpeningError> {
        let stored = host.vault.load()?.map(|bytes| Stored::read(&bytes)).transpose()?;
        let key = match stored {
            Some(Stored::Measured(bytes)) => return Ok(Kept::new(Distribution::from_bytes(&bytes)?, bytes)),
            Some(Stored::Key(key)) => key,
            None => {
                let key = key_to_keep(fresh_key, Purpose::Measurement);
                host.vault.save(&Stored::Key(key).written(&[]))?;
                key
            }
        };
        host.meter.claim_opening()?;
        let key = NoiseSource::kept(key);
        let mut noise = Noise::new(self.measuring, self.rows_each, &key).before(host.meter.witness());
        let distribution = self.survey(&mut noise, &mut key.stream(Purpose::Pseudo, 0), host)?;
        let bytes = distribution.to_bytes();
        host.vault.save(&Stored::Measured(bytes.clone()).written(&[]))?;
        Ok(Kept::new(distribution, bytes))
    }

    fn survey(
        &self,
        noise: &mut Noise<'_>,
        rng: &mut ChaCha20Rng,
        host: &Host<'_>,
    ) -> Result<Distribution, OpeningError> {
        let (axes, steps) = (axes(self.schema), self.measuring.parts());
        let survey = Survey { axes: &axes, target: self.schema.target(), recipe: &self.measuring.recipe };
        let column = |column: usize| self.rows.column(column).collect();
        let pulse = |done: usize| {
            host.stop.pulse(Progress { stage: Stage::Measure, step: done as u32, steps })?;
            Ok::<(), OpeningError>(())
        };
        // A missing cell's code is beyond every axis.
        const { assert!(MISSING == u32::MAX) };
        survey.carry_out(&column, noise, rng, &pulse)
    }
}

/// A distribution and the bytes that it is kept as.
pub struct Kept {
    /// The distribution.
    pub distribution: Distribution,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Kept {
    fn new(distribution: Distribution, bytes: Vec<u8>) -> Self {
        Self { distribution, bytes }
    }
}

/// A vault in which training keeps its checkpoints behind the distribution.
pub struct Behind<'a> {
    /// The vault.
    pub vault: &'a dyn Vault,
    /// The distribution's bytes.
    pub kept: &'a [u8],
}

impl Vault for Behind<'_> {
    fn save(&self, checkpoint: &[u8]) -> Result<(), Halt> {
        self.vault.save(&Stored::Measured(self.kept.to_vec()).written(checkpoint))
    }

    fn load(&self) -> Result<Option<Vec<u8>>, Halt> {
        let bytes = self.vault.load()?;
        let rest = bytes.as_deref().and_then(unframed).map(|(_, _, rest)| rest.to_vec());
        Ok(rest.filter(|rest| !rest.is_empty()))
    }
}

/// What the checkpoint of a measured job begins with.
enum Stored {
    /// The key of a measurement that has not been kept yet.
    Key([u8; 32]),
    /// A distribution.
    Measured(Vec<u8>),
}

/// Bytes of a checkpoint that is a key and nothing else.
pub const KEPT_KEY_BYTES: usize = HEAD + 32;

/// Whether bytes are the key of a measurement, as a checkpoint keeps it.
#[must_use]
pub fn is_kept_key(bytes: &[u8]) -> bool {
    bytes.len() == KEPT_KEY_BYTES && matches!(Stored::read(bytes), Ok(Stored::Key(_)))
}

const KEY: u8 = b'K';
const MEASURED: u8 = b'M';

impl Stored {
    /// Before whatever comes behind it.
    fn written(&self, behind: &[u8]) -> Vec<u8> {
        let (kind, content): (u8, &[u8]) = match self {
            Self::Key(key) => (KEY, key),
            Self::Measured(bytes) => (MEASURED, bytes),
        };
        framed(kind, content, behind)
    }

    fn read(bytes: &[u8]) -> Result<Self, BadDistribution> {
        match unframed(bytes).ok_or(BadDistribution)? {
            (KEY, content, _) => Ok(Self::Key(content.try_into().map_err(|_| BadDistribution)?)),
            (MEASURED, content, _) => Ok(Self::Measured(content.to_vec())),
            _ => Err(BadDistribution),
        }
    }
}
