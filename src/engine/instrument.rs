//! The noise of a measurement: each part drawn against what was charged for it.

use rand_chacha::ChaCha20Rng;

use crate::marginals::{Instrument, Phase, Refused};
use crate::privacy::{Allowance, Purpose};

use super::measuring::Measuring;
use super::ports::Streams;

/// Allowances and randomness of one measurement.
pub struct Noise {
    histograms: Allowance,
    rounds: Vec<[Allowance; 2]>,
    labels: Option<Allowance>,
    /// Rows of one unit of privacy at most: as many times one row's sensitivity.
    rows_each: u32,
    rng: ChaCha20Rng,
}

impl Noise {
    /// What was charged for `measuring`, with randomness from a key that serves nothing else.
    #[must_use]
    pub fn new(measuring: &Measuring, rows_each: u32, key: &dyn Streams) -> Self {
        let round = |round: &super::measuring::RoundNoise| [Allowance::of(round.scores), Allowance::of(round.tables)];
        Self {
            histograms: Allowance::of(measuring.histograms),
            rounds: measuring.rounds.iter().map(round).collect(),
            labels: measuring.labels.map(Allowance::of),
            rows_each,
            rng: key.stream(Purpose::Measurement, 0),
        }
    }

    fn of(&self, phase: Phase) -> Option<&Allowance> {
        match phase {
            Phase::Histograms => Some(&self.histograms),
            Phase::Scores(round) => self.rounds.get(round).map(|[scores, _]| scores),
            Phase::Tables(round) => self.rounds.get(round).map(|[_, tables]| tables),
            Phase::Labels => self.labels.as_ref(),
        }
    }

    fn allowance(&mut self, phase: Phase) -> Option<&mut Allowance> {
        match phase {
            Phase::Histograms => Some(&mut self.histograms),
            Phase::Scores(round) => self.rounds.get_mut(round).map(|[scores, _]| scores),
            Phase::Tables(round) => self.rounds.get_mut(round).map(|[_, tables]| tables),
            Phase::Labels => self.labels.as_mut(),
        }
    }
}

impl Instrument for Noise {
    fn measure(&mut self, phase: Phase, counts: &mut [i64], sensitivity: u32, mu2: f64) -> Result<f64, Refused> {
        let sensitivity = sensitivity.checked_mul(self.rows_each).ok_or(Refused)?;
        let mut rng = self.rng.clone();
        let allowance = self.allowance(phase).ok_or(Refused)?;
        let deviation = allowance.release(&mut rng, counts, sensitivity, mu2).map_err(|_| Refused)?;
        self.rng = rng;
        Ok(deviation)
    }

    fn most(&self, phase: Phase) -> u32 {
        self.of(phase).map_or(0, |allowance| allowance.most() / self.rows_each)
    }

    fn left(&self, phase: Phase) -> f64 {
        self.of(phase).map_or(0.0, Allowance::left)
    }
}
