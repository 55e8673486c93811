//! The label of a row given its other columns: a logistic regression on bins, first learnt from drawn rows.
//!
//! Tables tell how the target goes with one or two columns at a time; what a model of it needs is the sum of many
//! small effects. Learning it from rows drawn from the fitted distribution is post-processing; what those rows do not
//! know is measured (`correction`).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::features::{Encoded, Features};
use super::linear::Symmetric;
use super::rows::BinRows;

/// Residuals are counted in this part of one.
pub(super) const UNIT: f64 = 1024.0;

/// The length beyond which residuals are scaled down, tau; a whole number of units.
pub(super) const CLIP: f64 = 0.25;

/// Ridge penalties of the regression on drawn rows: single columns, crossed pairs, the constant.
const RIDGE: [f64; 3] = [3.0, 30.0, 1e-3];

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
    pub(super) features: Features,
    /// `classes - 1` lines, one number a feature.
    pub(super) coefficients: Vec<f64>,
}

/// Labels as they are stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredLabels {
    target: usize,
    tables: Vec<Vec<usize>>,
    coefficients: Vec<f64>,
}

/// What is summed over rows.
pub(super) enum Look<'a> {
    /// Residuals of these labels.
    Labels(&'a [u16]),
    /// What clipped residuals are on the mean.
    Clipped,
    /// How often each class is expected.
    Expected,
}

impl Look<'_> {
    fn label(&self, row: usize) -> Option<usize> {
        match self {
            Self::Labels(labels) => Some(usize::from(labels[row])),
            Self::Clipped | Self::Expected => None,
        }
    }
}

impl Labels {
    /// The ridge regression of `target` on features of drawn rows.
    #[must_use]
    pub fn fitted(rows: &BinRows, target: usize, sizes: &[usize], features: Features) -> Self {
        let classes = sizes[target];
        let count = features.count();
        let penalty = spread(&features, classes);
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
    pub(super) fn residuals(&self, encoded: &Encoded, target: &[u16], weights: &[i64]) -> Vec<i64> {
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
    pub(super) fn look(&self, encoded: &Encoded, look: &Look<'_>) -> (Vec<f64>, Symmetric) {
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
                    let label = look.label(row);
                    let residual = |a: usize, mean: f64| match (look, label) {
                        (_, Some(label)) => p[a] - f64::from(u8::from(label == a)),
                        (Look::Expected, _) => p[a],
                        _ => p[a] * (mean - scales[a]),
                    };
                    self.add(places, (&p, &scales), &residual, &mut sums);
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

    /// One row: its residual, and the slope of the mean of clipped residuals (or, with scales of 1, of the expected
    /// labels, which is the curvature of the loss): `p_a s_a [a = b] - p_a p_b (s_a + s_b - S)` with S the mean of the
    /// scales s.
    fn add(
        &self,
        places: &[u32],
        (p, scales): (&[f64], &[f64]),
        residual: &dyn Fn(usize, f64) -> f64,
        (sums, curvature): &mut (Vec<f64>, Symmetric),
    ) {
        let count = self.features.count();
        let mean: f64 = p.iter().zip(scales).map(|(p, scale)| p * scale).sum();
        for a in 1..self.classes {
            let residual = residual(a, mean);
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

/// The penalty of each parameter, the same in each class.
fn spread(features: &Features, classes: usize) -> Vec<f64> {
    let [single, crossed, constant] = RIDGE;
    let mut values = Vec::with_capacity(features.count());
    for (size, pair) in features.groups() {
        values.extend(std::iter::repeat_n(if pair { crossed } else { single }, size));
    }
    if let Some(last) = values.last_mut() {
        *last = constant;
    }
    values.repeat(classes - 1)
}
