//! The label of a row given its other columns: learnt from drawn rows at no cost, corrected by one noisy sum.
//!
//! Tables tell how the target goes with one or two columns at a time; what a model of it needs is the sum of many
//! small effects. So a logistic regression is fitted to *drawn* rows (post-processing), and what it gets wrong on
//! the private ones is measured once: the sum over rows of clipped residual times features.
//!
//! A residual is p - e_y (probabilities less the label), scaled down to length tau where it is longer. Hard clipping
//! pays: the sensitivity falls like tau, and what is seen of a wrong coefficient falls much less, since most residuals
//! of most rows are small. Clipping has a price, a mean that is not 0 where the model is right, and that mean is known
//! from drawn rows. To first order the sum is E - H w, with E and H of drawn rows and w what the coefficients are
//! off; a Gaussian prior on w and the known noise give its mean in closed form.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::features::{Encoded, Features};
use super::instrument::{Instrument, Phase, Refused};
use super::linear::Symmetric;
use super::rows::BinRows;

/// Residuals are counted in this part of one.
const UNIT: f64 = 1024.0;

/// The length beyond which residuals are scaled down, tau; a whole number of units.
const CLIP: f64 = 0.25;

/// Ridge penalties of the regression on drawn rows: single columns, crossed pairs, the constant.
const RIDGE: [f64; 3] = [3.0, 30.0, 1e-3];

/// How far a coefficient may be off, in logits: single columns, crossed pairs, the constant.
const PRIOR: [f64; 3] = [0.4, 0.2, 1.0];

/// Parts that rows are cut into for sums.
const PARTS: usize = 4;

/// Steps of Newton's method on drawn rows at most.
const NEWTON: usize = 12;

/// A model of the target given the other columns: logits of all classes but the first.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The column.
    pub target: usize,
    /// Its classes.
    pub classes: usize,
    features: Features,
    /// `classes - 1` lines, one number a feature.
    coefficients: Vec<f64>,
}

/// Labels as they are stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredLabels {
    target: usize,
    tables: Vec<Vec<usize>>,
    coefficients: Vec<f64>,
}

/// What is summed over rows.
enum Look<'a> {
    /// Residuals of these labels.
    Labels(&'a [u16]),
    /// What clipped residuals are on the mean.
    Clipped,
}

impl Look<'_> {
    fn label(&self, row: usize) -> Option<usize> {
        match self {
            Self::Labels(labels) => Some(usize::from(labels[row])),
            Self::Clipped => None,
        }
    }
}

impl Labels {
    /// The ridge regression of `target` on features of drawn rows.
    #[must_use]
    pub fn fitted(rows: &BinRows, target: usize, sizes: &[usize], features: Features) -> Self {
        let classes = sizes[target];
        let count = features.count();
        let penalty = spread(&features, RIDGE, classes);
        let encoded = features.encode(rows);
        let mut labels = Self { target, classes, features, coefficients: vec![0.0; (classes - 1) * count] };
        for _ in 0..NEWTON {
            let (mut slope, mut curvature) = labels.look(&encoded, &Look::Labels(&rows.columns[target]));
            for (i, (slope, penalty)) in slope.iter_mut().zip(&penalty).enumerate() {
                *slope += penalty * labels.coefficients[i];
                curvature.line(i)[i] += penalty;
            }
            let step = curvature.solve(&slope);
            labels.coefficients.iter_mut().zip(&step).for_each(|(w, step)| *w -= step);
            if step.iter().all(|step| step.abs() < 1e-4) {
                break;
            }
        }
        labels
    }

    /// Corrects the model by a noisy sum over the private rows. `drawn` tells what is to be expected of it, `rows` how
    /// many private rows there are about.
    ///
    /// # Errors
    /// [`Refused`] when the instrument refuses.
    pub fn correct(
        &mut self,
        private: &BinRows,
        (drawn, rows): (&BinRows, f64),
        instrument: &mut dyn Instrument,
    ) -> Result<(), Refused> {
        let weights = self.features.weights();
        let mut sums = self.residuals(&self.features.encode(private), &private.columns[self.target], &weights);
        let noise = instrument.measure(Phase::Labels, &mut sums, self.sensitivity(), instrument.left(Phase::Labels))?;

        let units = weights.iter().map(|&weight| weight as f64 * UNIT).collect::<Vec<f64>>().repeat(self.classes - 1);
        let (mut seen, mut slope) = self.look(&self.features.encode(drawn), &Look::Clipped);
        let scale = rows / drawn.len() as f64;
        slope.scale(scale);
        let exactness: Vec<f64> = units.iter().map(|unit| (unit / noise).powi(2)).collect();
        for (((seen, &sum), unit), exact) in seen.iter_mut().zip(&sums).zip(&units).zip(&exactness) {
            *seen = (*seen * scale - sum as f64 / unit) * exact;
        }
        let precision = spread(&self.features, PRIOR.map(|deviation| deviation.powi(-2)), self.classes);
        let mut information = Symmetric::diagonal(&precision);
        information.add_square(&exactness, &slope);
        let off = information.solve(&slope.times(&seen));
        self.coefficients.iter_mut().zip(&off).for_each(|(w, off)| *w += off);
        Ok(())
    }

    /// The most that one row moves the sums, in the Euclidean norm, rounded up.
    fn sensitivity(&self) -> u32 {
        // Of two classes the one entry is rounded to a whole number that is not beyond the bound, itself whole.
        let rounding = if self.classes == 2 { 0.0 } else { 0.5 * ((self.classes - 1) as f64).sqrt() };
        ((CLIP * UNIT + rounding) * (self.features.norm2() as f64).sqrt()).ceil() as u32
    }

    /// By how much the residual of each class, were it the label, is scaled down.
    fn scales(&self, p: &[f64], scales: &mut [f64]) {
        let square: f64 = p.iter().map(|p| p * p).sum();
        for (class, scale) in scales.iter_mut().enumerate() {
            // Of two classes one entry is looked at, which is the other's with its sign turned.
            let length =
                if self.classes == 2 { 1.0 - p[class] } else { (square + 1.0 - 2.0 * p[class]).max(0.0).sqrt() };
            *scale = (CLIP / length.max(1e-12)).min(1.0);
        }
    }

    /// Sums over rows of clipped residual times feature, in whole numbers.
    fn residuals(&self, encoded: &Encoded, target: &[u16], weights: &[i64]) -> Vec<i64> {
        let count = self.features.count();
        let mut sums = vec![0i64; (self.classes - 1) * count];
        let (mut p, mut scales) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        for (places, &label) in encoded.rows().zip(target) {
            let label = usize::from(label);
            self.probabilities_of(places, &mut p);
            self.scales(&p, &mut scales);
            for class in 1..self.classes {
                let residual = scales[label] * (p[class] - f64::from(u8::from(label == class)));
                let residual = (residual * UNIT).round() as i64;
                let sums = &mut sums[(class - 1) * count..][..count];
                places.iter().for_each(|&place| sums[place as usize] += residual * weights[place as usize]);
            }
        }
        sums
    }

    /// Sums over rows: of residual times features, and of the curvature that goes with it.
    fn look(&self, encoded: &Encoded, look: &Look<'_>) -> (Vec<f64>, Symmetric) {
        let size = (self.classes - 1) * self.features.count();
        // As many parts whatever the threads, so that sums are the same on every machine.
        let part = encoded.len().div_ceil(PARTS).max(1);
        let parts: Vec<(Vec<f64>, Symmetric)> = (0..PARTS)
            .into_par_iter()
            .map(|at| {
                let mut sums = (vec![0.0; size], Symmetric::diagonal(&vec![0.0; size]));
                let (mut p, mut scales) = (vec![0.0; self.classes], vec![1.0; self.classes]);
                for (row, places) in encoded.rows().enumerate().skip(at * part).take(part) {
                    self.probabilities_of(places, &mut p);
                    if let Look::Clipped = look {
                        self.scales(&p, &mut scales);
                    }
                    self.add(places, (&p, &scales), look.label(row), &mut sums);
                }
                sums
            })
            .collect();
        let mut whole = (vec![0.0; size], Symmetric::diagonal(&vec![0.0; size]));
        for (sums, curvature) in &parts {
            whole.0.iter_mut().zip(sums).for_each(|(a, b)| *a += b);
            whole.1.add(curvature);
        }
        whole
    }

    /// One row: its residual, or the mean of it under the model where there is no label; and the slope of that mean,
    /// `p_a s_a [a = b] - p_a p_b (s_a + s_b - S)` with S the mean of the scales s, which is the curvature of the loss
    /// where nothing is clipped.
    fn add(
        &self,
        places: &[u32],
        (p, scales): (&[f64], &[f64]),
        label: Option<usize>,
        (sums, curvature): &mut (Vec<f64>, Symmetric),
    ) {
        let count = self.features.count();
        let mean: f64 = p.iter().zip(scales).map(|(p, scale)| p * scale).sum();
        for a in 1..self.classes {
            let residual = match label {
                Some(label) => scales[label] * (p[a] - f64::from(u8::from(label == a))),
                None => p[a] * (mean - scales[a]),
            };
            places.iter().for_each(|&place| sums[(a - 1) * count + place as usize] += residual);
            for b in 1..self.classes {
                let own = if a == b { p[a] * scales[a] } else { 0.0 };
                let weight = own - p[a] * p[b] * (scales[a] + scales[b] - mean);
                for &i in places {
                    let line = &mut curvature.line((a - 1) * count + i as usize)[(b - 1) * count..][..count];
                    places.iter().for_each(|&j| line[j as usize] += weight);
                }
            }
        }
    }

    fn probabilities_of(&self, places: &[u32], probabilities: &mut [f64]) {
        let count = self.features.count();
        probabilities[0] = 0.0;
        for (class, logit) in probabilities.iter_mut().enumerate().skip(1) {
            let line = &self.coefficients[(class - 1) * count..][..count];
            *logit = places.iter().map(|&place| line[place as usize]).sum();
        }
        let highest = probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        probabilities.iter_mut().for_each(|logit| *logit = (*logit - highest).exp());
        let sum: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= sum);
    }

    /// The probabilities of the classes, `classes` numbers a row.
    #[must_use]
    pub fn probabilities(&self, rows: &BinRows) -> Vec<f64> {
        let encoded = self.features.encode(rows);
        let mut all = vec![0.0; rows.len() * self.classes];
        encoded.rows().zip(all.chunks_mut(self.classes)).for_each(|(places, p)| self.probabilities_of(places, p));
        all
    }

    /// As it is stored.
    #[must_use]
    pub fn stored(&self) -> StoredLabels {
        let (tables, coefficients) = (self.features.tables().to_vec(), self.coefficients.clone());
        StoredLabels { target: self.target, tables, coefficients }
    }

    /// What was stored, over columns of these sizes; none if it does not fit them.
    #[must_use]
    pub fn restored(stored: StoredLabels, sizes: &[usize]) -> Option<Self> {
        let known = stored.tables.iter().flatten().chain([&stored.target]).all(|&column| column < sizes.len());
        if !known {
            return None;
        }
        let (target, classes) = (stored.target, sizes[stored.target]);
        let features = Features::new(stored.tables, sizes);
        let fits = classes > 1 && stored.coefficients.len() == (classes - 1) * features.count();
        fits.then_some(Self { target, classes, features, coefficients: stored.coefficients })
    }
}

/// A value for each parameter: of single columns, of crossed pairs, of the constant, the same in each class.
fn spread(features: &Features, [single, crossed, constant]: [f64; 3], classes: usize) -> Vec<f64> {
    let mut values = Vec::with_capacity(features.count());
    for (size, pair) in features.groups() {
        values.extend(std::iter::repeat_n(if pair { crossed } else { single }, size));
    }
    if let Some(last) = values.last_mut() {
        *last = constant;
    }
    values.repeat(classes - 1)
}
