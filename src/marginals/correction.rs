//! Labels corrected by one noisy sum over the private rows, and by the tables that were measured anyway.
//!
//! The sum is that of clipped residual times features. A residual is p - e_y (probabilities less the label), scaled down
//! to length tau where it is longer. Hard clipping pays: the sensitivity falls like tau, and what is seen of a wrong
//! coefficient falls much less, since most residuals of most rows are small. Its price, a mean that is not 0 where the
//! model is right, is known from drawn rows: to first order the sum is E - H (w - w0), with E and H of drawn rows, w0 the
//! coefficients that residuals were taken at and w the right ones. A measured table with the target in it says the like
//! about the features of its other columns. All of that is linear in w with Gaussian noise of known size, so a Gaussian
//! prior on w (coefficients of neighbouring bins of an ordered column are alike) gives their mean in closed form.

use super::axis::Axis;
use super::features::Features;
use super::fit::Measured;
use super::instrument::{Instrument, Phase, Refused};
use super::labels::{CLIP, Labels, Look, UNIT};
use super::linear::Symmetric;
use super::rows::BinRows;

/// How large coefficients are, in logits: of categories, of crossed pairs, of the constant.
const PRIOR: [f64; 3] = [0.4, 0.2, 2.0];

/// Of ordered bins: how large, over how many bins they stay alike, and how large they are besides.
const SMOOTH: [f64; 3] = [1.0, 5.0, 0.2];

/// What is known besides the private rows.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The columns.
    pub axes: &'a [Axis],
    /// Rows drawn from the fitted distribution.
    pub drawn: &'a BinRows,
    /// About how many private rows there are.
    pub rows: f64,
    /// The measured tables.
    pub measured: &'a [Measured],
}

/// What is seen of the coefficients' error through a symmetric matrix, and how exactly.
struct Seen {
    values: Vec<f64>,
    exactness: Vec<f64>,
    through: Symmetric,
}

impl Labels {
    /// Corrects the model.
    ///
    /// # Errors
    /// [`Refused`] when the instrument refuses.
    pub fn correct(
        &mut self,
        private: &BinRows,
        known: Known<'_>,
        instrument: &mut dyn Instrument,
    ) -> Result<(), Refused> {
        let seen = [self.released(private, known, instrument)?, self.tables(known)];
        let mut information = prior(&self.features, known.axes, self.classes);
        let mut evidence = vec![0.0; self.coefficients.len()];
        for Seen { values, exactness, through } in seen {
            let at = through.times(&self.coefficients);
            let weighed: Vec<f64> =
                values.iter().zip(at).zip(&exactness).map(|((value, at), exact)| (value + at) * exact).collect();
            information.add_square(&exactness, &through);
            evidence.iter_mut().zip(through.times(&weighed)).for_each(|(sum, more)| *sum += more);
        }
        self.coefficients = information.solve(&evidence);
        Ok(())
    }

    /// The noisy sum over the private rows, against what is expected of it.
    fn released(&self, private: &BinRows, known: Known<'_>, instrument: &mut dyn Instrument) -> Result<Seen, Refused> {
        let weights = self.features.weights();
        let mut sums = self.residuals(&self.features.encode(private), &private.columns[self.target], &weights);
        let noise = instrument.measure(Phase::Labels, &mut sums, self.sensitivity(), instrument.left(Phase::Labels))?;
        let scale = known.rows / known.drawn.len() as f64;
        let (mut values, mut through) = self.look(&self.features.encode(known.drawn), &Look::Clipped);
        through.scale(scale);
        let units = weights.iter().map(|&weight| weight as f64 * UNIT).collect::<Vec<f64>>().repeat(self.classes - 1);
        for ((value, &sum), unit) in values.iter_mut().zip(&sums).zip(&units) {
            *value = *value * scale - sum as f64 / unit;
        }
        let exactness = units.iter().map(|unit| (unit / noise).powi(2)).collect();
        Ok(Seen { values, exactness, through })
    }

    /// The most that one row moves the sums, in the Euclidean norm, rounded up.
    fn sensitivity(&self) -> u32 {
        // Of two classes the one entry is rounded to a whole number that is not beyond the bound, itself whole.
        let rounding = if self.classes == 2 { 0.0 } else { 0.5 * ((self.classes - 1) as f64).sqrt() };
        ((CLIP * UNIT + rounding) * (self.features.norm2() as f64).sqrt()).ceil() as u32
    }

    /// How often each class was measured with each bin, against what is expected.
    fn tables(&self, known: Known<'_>) -> Seen {
        let scale = known.rows / known.drawn.len() as f64;
        let (expected, mut through) = self.look(&self.features.encode(known.drawn), &Look::Expected);
        through.scale(scale);
        let count = self.features.count();
        let (mut values, mut exactness) = (vec![0.0; expected.len()], vec![0.0; expected.len()]);
        for (offset, column) in self.features.singles() {
            for table in known.measured.iter().filter(|table| self.tells(table, column)) {
                let (sums, cells) = self.summed(table, column);
                // All classes of a bin together are its rows, of which drawn ones tell how many there are.
                let share = 1.0 / self.classes as f64;
                let variance = table.deviation.powi(2) * cells * (1.0 - share);
                let bins = column.map_or_else(
                    || vec![known.drawn.len() as f64],
                    |column| {
                        known.drawn.counts(&[column], self.features.sizes()).into_iter().map(|n| n as f64).collect()
                    },
                );
                for (bin, (of_classes, rows)) in sums.chunks(self.classes).zip(bins).enumerate() {
                    let surplus = (of_classes.iter().sum::<f64>() - rows * scale) * share;
                    for class in 1..self.classes {
                        let at = (class - 1) * count + offset + bin;
                        values[at] += (of_classes[class] - surplus - expected[at] * scale) / variance;
                        exactness[at] += 1.0 / variance;
                    }
                }
            }
        }
        values.iter_mut().zip(&exactness).filter(|(_, exact)| **exact > 0.0).for_each(|(value, exact)| *value /= exact);
        Seen { values, exactness, through }
    }

    /// Whether a table is about the target and this column (or the target alone, where there is none).
    fn tells(&self, table: &Measured, column: Option<usize>) -> bool {
        table.columns.contains(&self.target)
            && column.map_or(table.columns.len() == 1, |column| table.columns.contains(&column))
    }

    /// The counts of a table summed to one of a column (or nothing) and the target, and how many cells went into each.
    fn summed(&self, table: &Measured, column: Option<usize>) -> (Vec<f64>, f64) {
        let part: Vec<usize> = column.into_iter().chain([self.target]).collect();
        let sizes = self.features.sizes();
        let map = super::rows::projection(&table.columns, &part, sizes);
        let sums = super::tree::gathered(&table.counts, &map, super::rows::volume(&part, sizes));
        let cells = table.counts.len() as f64 / sums.len() as f64;
        (sums, cells)
    }
}

/// The inverse of the prior's covariance.
fn prior(features: &Features, axes: &[Axis], classes: usize) -> Symmetric {
    let [category, crossed, constant] = PRIOR;
    let size = features.count();
    let mut precision = Symmetric::diagonal(&vec![constant.powi(-2); size * (classes - 1)]);
    let mut offset = 0;
    for (table, (cells, pair)) in features.tables().iter().zip(features.groups()) {
        let ordered = !pair && axes[table[0]].ordered;
        // A missing value has no neighbours.
        let run = if ordered { cells - usize::from(axes[table[0]].missing) } else { 0 };
        let smooth = inverse(run);
        for class in 0..classes - 1 {
            for i in 0..cells {
                let line = &mut precision.line(class * size + offset + i)[class * size + offset..][..cells];
                if i < run {
                    line[..run].copy_from_slice(&smooth[i]);
                } else {
                    line[i] = if pair { crossed } else { category }.powi(-2);
                }
            }
        }
        offset += cells;
    }
    precision
}

/// The inverse of the covariance of so many neighbouring bins.
fn inverse(count: usize) -> Vec<Vec<f64>> {
    let [level, reach, own] = SMOOTH;
    let mut covariance = Symmetric::diagonal(&vec![0.0; count]);
    for i in 0..count {
        for (j, cell) in covariance.line(i).iter_mut().enumerate() {
            let near = (-(i.abs_diff(j) as f64) / reach).exp();
            *cell = level * level * near + if i == j { own * own } else { 0.0 };
        }
    }
    let unit = |i: usize| (0..count).map(|j| f64::from(u8::from(i == j))).collect::<Vec<f64>>();
    (0..count).map(|i| covariance.solve(&unit(i))).collect()
}
