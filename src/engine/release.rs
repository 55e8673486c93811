//! Buying the figures of a plan, once.
//!
//! Before anything is charged for them the checkpoint is marked with the key of their noise, the key that the synthetic
//! rows were drawn with and the digest of these; when the figures are there, they are kept in place of the first. An
//! attempt that comes after a crash draws the same rows again, and gives out the same figures: those that were kept, or
//! the same noise on the same counts. Whether there was a crash, which may depend on private rows, cannot be seen. One
//! whose rows are others (another kind of processor rounds otherwise) has no figures: they would cost twice.

use sha2::{Digest, Sha256};

use crate::marginals::Refused;
use crate::privacy::{Allowance, NoiseSource, Purpose};
use crate::report::Section;
use crate::report::released::{RealRows, ReleasedFigures, ReleasedPart, Till, released};
use crate::tabular::{Schema, Table};

use super::checkpoint::BadCheckpoint;
use super::instrument::Counter;
use super::marked::{Mark, Marked, Subject};
use super::ports::{FreshKey, Halt, Meter, key_to_keep};
use super::releasing::Releasing;
use super::run::{EngineError, Job};

/// What figures are bought with.
pub(super) struct Release<'a> {
    /// What was charged.
    releasing: &'a Releasing,
    schema: &'a Schema,
    real: RealRows<'a>,
    /// Rows of one unit of privacy at most.
    rows_each: u32,
}

impl<'a> Release<'a> {
    /// What a job buys figures with.
    pub fn of(job: &Job<'a>) -> Result<Self, EngineError> {
        let (releasing, real) = job.plan.release.as_ref().zip(job.real).ok_or(EngineError::Figures)?;
        Ok(Self { releasing, schema: job.schema, real, rows_each: job.plan.longest_unit() as u32 })
    }

    /// The figures about `synthetic`, which was drawn with `key`; from the mark if they are there.
    pub fn figures(
        &self,
        (synthetic, key): (&Table, [u8; 32]),
        (meter, marked): (&dyn Meter, &mut Marked<'_>),
        fresh_key: FreshKey<'_>,
    ) -> Result<Section<ReleasedFigures>, EngineError> {
        let subject = Subject { key, digest: digest(synthetic) };
        let noise = match *marked.mark() {
            Mark::Bought(of, ref figures) if of == subject => {
                return Ok(Section::Measured(serde_json::from_slice(figures).map_err(|_| BadCheckpoint)?));
            }
            Mark::Begun(of, noise) if of == subject => noise,
            Mark::Begun(..) | Mark::Bought(..) => return Ok(other_rows()),
            Mark::None => {
                let noise = key_to_keep(fresh_key, Purpose::Measurement);
                marked.set(Mark::Begun(subject, noise))?;
                noise
            }
        };
        meter.claim_opening()?;
        let left = self.releasing.parts().map(|(part, noise)| (part, Allowance::of(noise))).collect();
        let counter = Counter::new(self.rows_each, &NoiseSource::kept(noise), meter.witness());
        let mut till = Noises { left, counter };
        let cost = (self.releasing.epsilon.get(), self.releasing.delta.get());
        let figures = released(self.schema, self.real, synthetic, (&mut till, cost));
        let figures = figures.map_err(|Refused| EngineError::Figures)?;
        let kept = serde_json::to_vec(&figures).map_err(|error| Halt::Host(error.to_string()))?;
        marked.set(Mark::Bought(subject, kept))?;
        Ok(Section::Measured(figures))
    }
}

fn other_rows() -> Section<ReleasedFigures> {
    let absent =
        "They were bought for rows that could not be drawn again on another kind of processor, and would cost twice.";
    Section::Absent { absent: absent.into() }
}

/// A key to draw synthetic rows with: that of the rows that figures were bought for, or a fresh one.
pub(super) fn drawing_key(marked: &Marked<'_>, fresh_key: FreshKey<'_>) -> [u8; 32] {
    if let Mark::Begun(subject, _) | Mark::Bought(subject, _) = marked.mark() {
        return subject.key;
    }
    key_to_keep(fresh_key, Purpose::Generation)
}

fn digest(rows: &Table) -> [u8; 32] {
    let mut digest = Sha256::new();
    rows.iter().for_each(|row| row.iter().for_each(|code| digest.update(code.to_le_bytes())));
    digest.finalize().into()
}

/// An allowance for each part, spent in one go.
struct Noises<'a> {
    left: Vec<(ReleasedPart, Allowance)>,
    counter: Counter<'a>,
}

impl Till for Noises<'_> {
    fn release(&mut self, part: ReleasedPart, counts: &mut [i64], sensitivity: u32) -> Result<f64, Refused> {
        let at = self.left.iter().position(|(other, _)| *other == part).ok_or(Refused)?;
        let (_, mut allowance) = self.left.swap_remove(at);
        let mu2 = allowance.left();
        self.counter.release((&format!("Report({part:?})"), &mut allowance), counts, (sensitivity, mu2))
    }

    fn has(&self, part: ReleasedPart) -> bool {
        self.left.iter().any(|(other, _)| *other == part)
    }
}
