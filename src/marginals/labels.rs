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
use super::tree::exponentials;

/// Ridge penalties of the regression on drawn rows: of bins, of the constant.
const RIDGE: [f64; 2] = [3.0, 1e-3];

/// Parts that rows are cut into for sums, whatever the threads, so that sums are the same on every machine.
const PARTS: usize = 4;

/// Drawn rows that a regression is fitted to at most.
const FITTED: usize = 120_000;

/// Rows whose features are in memory at a time.
pub(super) const TOGETHER: usize = 4096;

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
    columns: Vec<usize>,
    says: Vec<Vec<f64>>,
    coefficients: Vec<f64>,
}

/// How much a row counts, by its probabilities.
pub(super) type Weight<'a> = &'a (dyn Fn(&[f64]) -> f64 + Sync);

impl Labels {
    /// The ridge regression of `target` on features of drawn rows.
    #[must_use]
    pub fn fitted(rows: &BinRows, target: usize, sizes: &[usize], features: Features) -> Self {
        let classes = sizes[target];
        let [of_bins, of_constant] = RIDGE;
        let mut penalty = vec![of_bins; features.count()];
        penalty[features.count() - 1] = of_constant;
        let penalty = penalty.repeat(classes - 1);
        let looked = rows.len().min(FITTED);
        let encoded = features.encode(rows, 0..looked);
        let mut labels = Self { target, classes, features, coefficients: vec![0.0; penalty.len()] };
        for _ in 0..NEWTON {
            let (mut slope, mut curvature) = labels.look(&encoded, (looked, Some(&rows.columns[target])), &|_| 1.0);
            for (i, (slope, penalty)) in slope.iter_mut().zip(&penalty).enumerate() {
                *slope += penalty * labels.coefficients[i];
                curvature.line(i)[i] += penalty;
            }
            let step = curvature.solve(&slope);
            labels.coefficients.iter_mut().zip(&step).for_each(|(w, step)| *w -= step);
            if step.iter().all(|step| step.abs() < 1e-3) {
                break;
            }
        }
        labels
    }

    /// The same model with products of columns among its features, of which it knows nothing yet.
    #[must_use]
    pub fn with_products(self, drawn: &BinRows) -> Self {
        let sizes = self.features.sizes();
        let masses = |&column: &usize| drawn.counts(&[column], sizes).into_iter().map(|n| n as f64).collect();
        let masses: Vec<Vec<f64>> = self.features.columns().iter().map(masses).collect();
        let features = self.features.with_products(&self.coefficients, &masses);
        let (bins, before) = (self.features.bins(), self.features.count());
        let line = |line: &[f64]| {
            let products = std::iter::repeat_n(0.0, features.products());
            line[..bins].iter().copied().chain(products).chain([line[before - 1]]).collect::<Vec<f64>>()
        };
        let coefficients = self.coefficients.chunks(before).flat_map(line).collect();
        Self { features, coefficients, ..self }
    }

    /// Sums over rows of residual (or, without labels, of probability) times features, and the curvature that goes with
    /// them, where a row counts as `weight` says.
    pub(super) fn look(
        &self,
        encoded: &Encoded,
        (rows, labels): (usize, Option<&[u16]>),
        weight: Weight<'_>,
    ) -> (Vec<f64>, Symmetric) {
        let size = (self.classes - 1) * self.features.count();
        let part = rows.div_ceil(PARTS).max(1);
        let parts: Vec<(Vec<f64>, Symmetric)> = (0..PARTS)
            .into_par_iter()
            .map(|at| {
                let mut sums = (vec![0.0; size], Symmetric::diagonal(&vec![0.0; size]));
                let mut p = vec![0.0; self.classes];
                for row in (at * part..rows).take(part) {
                    self.probabilities_of(encoded.row(row), &mut p);
                    let label = labels.map(|labels| usize::from(labels[row]));
                    self.add(encoded.row(row), (&p, weight(&p)), label, &mut sums);
                }
                sums
            })
            .collect();
        let mut whole = (vec![0.0; size], Symmetric::diagonal(&vec![0.0; size]));
        for (sums, curvature) in &parts {
            whole.0.iter_mut().zip(sums).for_each(|(a, b)| *a += b);
            whole.1.add(curvature);
        }
        whole.1.mirror();
        whole
    }

    /// One row; of the curvature, the lower half.
    fn add(
        &self,
        (places, products): (&[u32], &[f64]),
        (p, weight): (&[f64], f64),
        label: Option<usize>,
        (sums, curvature): &mut (Vec<f64>, Symmetric),
    ) {
        let (count, bins) = (self.features.count(), self.features.bins());
        for a in 1..self.classes {
            let line = (a - 1) * count;
            let residual = weight * (p[a] - label.map_or(0.0, |label| f64::from(u8::from(label == a))));
            let sums = &mut sums[line..][..count];
            places.iter().for_each(|&place| sums[place as usize] += residual);
            sums[bins..].iter_mut().zip(products).for_each(|(sum, x)| *sum += residual * x);
            sums[count - 1] += residual;
            for b in 1..=a {
                let own = if a == b { 1.0 } else { 0.0 };
                let weight = weight * p[a] * (own - p[b]);
                let column = (b - 1) * count;
                let mut spread = |at: usize, weight: f64| {
                    let to = &mut curvature.line(line + at)[column..][..count];
                    places.iter().for_each(|&place| to[place as usize] += weight);
                    if at >= bins {
                        let upto = if at + 1 == count || a != b { products.len() } else { at - bins + 1 };
                        to[bins..].iter_mut().zip(&products[..upto]).for_each(|(to, x)| *to += weight * x);
                        to[count - 1] += weight;
                    } else if a != b {
                        to[bins..].iter_mut().zip(products).for_each(|(to, x)| *to += weight * x);
                        to[count - 1] += weight;
                    }
                };
                places.iter().for_each(|&place| spread(place as usize, weight));
                products.iter().enumerate().for_each(|(at, x)| spread(bins + at, weight * x));
                spread(count - 1, weight);
            }
        }
    }

    pub(super) fn probabilities_of(&self, (places, products): (&[u32], &[f64]), probabilities: &mut [f64]) {
        let (count, bins) = (self.features.count(), self.features.bins());
        probabilities[0] = 0.0;
        for (logit, line) in probabilities[1..].iter_mut().zip(self.coefficients.chunks(count)) {
            let single: f64 = places.iter().map(|&place| line[place as usize]).sum();
            let crossed: f64 = line[bins..].iter().zip(products).map(|(w, x)| w * x).sum();
            *logit = single + crossed + line[count - 1];
        }
        let (_, sum) = exponentials(probabilities);
        probabilities.iter_mut().for_each(|p| *p /= sum);
    }

    /// The probabilities of the classes, `classes` numbers a row.
    #[must_use]
    pub fn probabilities(&self, rows: &BinRows) -> Vec<f64> {
        let mut all = vec![0.0; rows.len() * self.classes];
        all.par_chunks_mut(TOGETHER * self.classes).enumerate().for_each(|(at, all)| {
            let first = at * TOGETHER;
            let encoded = self.features.encode(rows, first..first + all.len() / self.classes);
            let of = |(row, p): (usize, &mut [f64])| self.probabilities_of(encoded.row(row), p);
            all.chunks_mut(self.classes).enumerate().for_each(of);
        });
        all
    }

    /// As it is stored.
    #[must_use]
    pub fn stored(&self) -> StoredLabels {
        let (columns, says) = (self.features.columns().to_vec(), self.features.says().to_vec());
        StoredLabels { target: self.target, columns, says, coefficients: self.coefficients.clone() }
    }

    /// What was stored, over columns of these sizes; none if it does not fit them.
    #[must_use]
    pub fn restored(stored: StoredLabels, sizes: &[usize]) -> Option<Self> {
        let StoredLabels { target, columns, says, coefficients } = stored;
        if columns.iter().chain([&target]).any(|&column| column >= sizes.len()) {
            return None;
        }
        let classes = sizes[target];
        let features = Features::new(columns, sizes).restored(says)?;
        let fits = classes > 1 && coefficients.len() == (classes - 1) * features.count();
        fits.then_some(Self { target, classes, features, coefficients })
    }
}
