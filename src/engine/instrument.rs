//! The noise of a measurement: each part drawn against what was charged for it.

use std::collections::HashMap;

use rand_chacha::ChaCha20Rng;

use crate::marginals::{Instrument, Phase, Refused};
use crate::privacy::{Allowance, Purpose};

use super::measuring::{Measuring, RoundNoise};
use super::ports::{Streams, Witness};

/// The way in which exact counts get noise: told first, and for all rows of a unit.
pub(super) struct Counter<'a> {
    /// Rows of one unit of privacy at most: as many times one row's sensitivity.
    rows_each: u32,
    rng: ChaCha20Rng,
    witness: Option<&'a dyn Witness>,
}

impl<'a> Counter<'a> {
    /// With randomness from a key that serves nothing else.
    pub fn new(rows_each: u32, key: &dyn Streams, witness: Option<&'a dyn Witness>) -> Self {
        Self { rows_each, rng: key.stream(Purpose::Measurement, 0), witness }
    }

    /// Adds noise to counts that one row can move by at most `sensitivity`, for `mu2` of an allowance; `part` names the part
    /// of the plan that pays. Returns the noise's deviation.
    pub fn release(
        &mut self,
        (part, allowance): (&str, &mut Allowance),
        counts: &mut [i64],
        (sensitivity, mu2): (u32, f64),
    ) -> Result<f64, Refused> {
        let sensitivity = sensitivity.checked_mul(self.rows_each).ok_or(Refused)?;
        if let Some(witness) = self.witness {
            witness.counts(part, counts, mu2, self.rng.clone())?;
        }
        allowance.release(&mut self.rng, counts, sensitivity, mu2).map_err(|_| Refused)
    }
}

/// Allowances and randomness of one measurement.
pub struct Noise<'a> {
    allowances: HashMap<Phase, Allowance>,
    counter: Counter<'a>,
}

impl<'a> Noise<'a> {
    /// What was charged for `measuring`, with randomness from a key that serves nothing else.
    #[must_use]
    pub fn new(measuring: &Measuring, rows_each: u32, key: &dyn Streams) -> Self {
        let round = |(number, round): (usize, &RoundNoise)| {
            [(Phase::Scores(number), round.scores), (Phase::Tables(number), round.tables)]
        };
        let charged = [(Phase::Histograms, measuring.histograms)]
            .into_iter()
            .chain(measuring.rounds.iter().enumerate().flat_map(round))
            .chain(measuring.labels.map(|noise| (Phase::Labels, noise)));
        let allowances = charged.map(|(phase, noise)| (phase, Allowance::of(noise))).collect();
        Self { allowances, counter: Counter::new(rows_each, key, None) }
    }

    /// The same, with a witness of every release.
    #[must_use]
    pub fn before(self, witness: Option<&'a dyn Witness>) -> Self {
        Self { counter: Counter { witness, ..self.counter }, ..self }
    }
}

impl Instrument for Noise<'_> {
    fn measure(&mut self, phase: Phase, counts: &mut [i64], sensitivity: u32, mu2: f64) -> Result<f64, Refused> {
        let allowance = self.allowances.get_mut(&phase).ok_or(Refused)?;
        self.counter.release((&format!("{phase:?}"), allowance), counts, (sensitivity, mu2))
    }

    fn most(&self, phase: Phase) -> u32 {
        self.allowances.get(&phase).map_or(0, |allowance| allowance.most() / self.counter.rows_each)
    }

    fn left(&self, phase: Phase) -> f64 {
        self.allowances.get(&phase).map_or(0.0, Allowance::left)
    }
}
