//! Labels corrected by one noisy sum over the private rows, and by the tables that were measured anyway.
//!
//! The sum is that of weighed residual times features: p - e_y (probabilities less the label), over twice the longest
//! that it could be for any label, so that it is never longer than a half. The weight is a function of the other columns,
//! so the mean is 0 where the model is right, whatever the rows; rows of which the model is sure weigh as much as others.
//! To first order the sum is -H w, with w what the coefficients are off, and H known from drawn rows. A measured table
//! with the target in it says the like about the bins of its other columns. All of that is linear in w with Gaussian
//! noise of known size, so a Gaussian prior on w (neighbouring bins of an ordered column are off alike) gives its mean in
//! closed form.

use super::axis::Axis;
use super::features::{Encoded, Features};
use super::fit::Measured;
use super::instrument::{Instrument, Phase, Refused};
use super::labels::{Labels, TOGETHER};
use super::linear::Symmetric;
use super::rows::{BinRows, projection, volume};
use super::tree::gathered;

/// How far coefficients may be off, in logits: of categories, of products, of the constant.
const PRIOR: [f64; 3] = [0.4, 0.5, 1.0];

/// Of ordered bins: how far, over which part of the column they stay alike, and how far they are off besides.
const SMOOTH: [f64; 3] = [0.4, 0.25, 0.2];

/// How often products count as much as bins do.
const PRODUCTS: f64 = 1.5;

/// The longest weighed residual.
const RESIDUAL: f64 = 0.5;

/// Units of a residual, and of a feature: the finest that are tried.
const UNITS: (f64, f64) = (1024.0, 64.0);

/// Drawn rows that are looked at for the curvature, at most.
const LOOKED: usize = 60_000;

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

/// Whole numbers that stand for a residual of 1 and for a feature of 1.
#[derive(Clone, Copy)]
struct Units {
    residual: f64,
    feature: f64,
}

impl Labels {
    /// Corrects the model. Where there is so little privacy that not even coarse sums can be measured, nothing is.
    ///
    /// # Errors
    /// [`Refused`] when the instrument refuses.
    pub fn correct(
        &mut self,
        private: &BinRows,
        known: Known<'_>,
        instrument: &mut dyn Instrument,
    ) -> Result<(), Refused> {
        let finest = instrument.most(Phase::Labels);
        let coarser = (0..8).map(|half| Units { residual: UNITS.0 / f64::from(1 << half), feature: UNITS.1 });
        let Some(units) = coarser.into_iter().find(|units| self.sensitivity(*units) <= finest) else { return Ok(()) };
        let looked = known.drawn.len().min(LOOKED);
        let drawn = self.features.encode(known.drawn, 0..looked);
        let released = self.released(private, (&drawn, looked, known.rows), units, instrument)?;
        let tables = self.tables(known, &drawn, looked);
        let mut information = prior(&self.features, known.axes, self.classes);
        let mut evidence = vec![0.0; self.coefficients.len()];
        for Seen { values, exactness, through } in [released, tables] {
            let weighed: Vec<f64> = values.iter().zip(&exactness).map(|(value, exact)| value * exact).collect();
            information.add_square(&exactness, &through);
            evidence.iter_mut().zip(through.times(&weighed)).for_each(|(sum, more)| *sum += more);
        }
        let off = information.solve(&evidence);
        self.coefficients.iter_mut().zip(&off).for_each(|(w, off)| *w += off);
        Ok(())
    }

    /// The noisy sum over the private rows.
    fn released(
        &self,
        private: &BinRows,
        (drawn, looked, rows): (&Encoded, usize, f64),
        units: Units,
        instrument: &mut dyn Instrument,
    ) -> Result<Seen, Refused> {
        let mut sums = self.residuals(private, units);
        let noise =
            instrument.measure(Phase::Labels, &mut sums, self.sensitivity(units), instrument.left(Phase::Labels))?;
        let weight = |p: &[f64]| RESIDUAL / self.longest(p);
        let (_, mut through) = self.look(drawn, (looked, None), &weight);
        through.scale(rows / looked as f64);
        let (bins, products) = (self.features.bins(), self.features.products());
        let of = |at: usize| {
            let times = if (bins..bins + products).contains(&at) { PRODUCTS } else { 1.0 };
            units.residual * units.feature * times
        };
        let scales: Vec<f64> = (0..sums.len()).map(|at| of(at % self.features.count())).collect();
        let values = sums.iter().zip(&scales).map(|(&sum, scale)| -(sum as f64) / scale).collect();
        let exactness = scales.iter().map(|scale| (scale / noise).powi(2)).collect();
        Ok(Seen { values, exactness, through })
    }

    /// The most that one row moves the sums, in the Euclidean norm, rounded up.
    fn sensitivity(&self, units: Units) -> u32 {
        // Entries are rounded, each by at most a half.
        let residual = RESIDUAL * units.residual + 0.5 * ((self.classes - 1) as f64).sqrt();
        let rounding = 0.5 * (self.features.products() as f64).sqrt();
        let products = PRODUCTS * Features::products_bound() * units.feature + rounding;
        let ones = (self.features.columns().len() + 1) as f64;
        (residual * (ones * units.feature.powi(2) + products.powi(2)).sqrt()).ceil() as u32
    }

    /// The longest residual for any label. Of two classes one entry is looked at, which is the other's with its sign
    /// turned.
    fn longest(&self, p: &[f64]) -> f64 {
        let square: f64 = p.iter().map(|p| p * p).sum();
        let length = |p: &f64| if self.classes == 2 { 1.0 - p } else { (square + 1.0 - 2.0 * p).max(0.0).sqrt() };
        p.iter().map(length).fold(0.0, f64::max)
    }

    /// Sums over rows of weighed residual times feature, in whole numbers.
    fn residuals(&self, rows: &BinRows, units: Units) -> Vec<i64> {
        let (count, bins) = (self.features.count(), self.features.bins());
        let mut sums = vec![0i64; (self.classes - 1) * count];
        let mut p = vec![0.0; self.classes];
        let one = units.feature as i64;
        for (at, labels) in rows.columns[self.target].chunks(TOGETHER).enumerate() {
            let first = at * TOGETHER;
            let encoded = self.features.encode(rows, first..first + labels.len());
            for (row, &label) in labels.iter().enumerate() {
                let (places, products) = encoded.row(row);
                self.probabilities_of((places, products), &mut p);
                let weight = RESIDUAL / self.longest(&p);
                let whole = |x: &f64| (x * PRODUCTS * units.feature).round() as i64;
                let products: Vec<i64> = products.iter().map(whole).collect();
                for (class, sums) in (1..).zip(sums.chunks_mut(count)) {
                    let truth = f64::from(u8::from(usize::from(label) == class));
                    let residual = (weight * (p[class] - truth) * units.residual).round() as i64;
                    places.iter().for_each(|&place| sums[place as usize] += residual * one);
                    sums[bins..].iter_mut().zip(&products).for_each(|(sum, x)| *sum += residual * x);
                    sums[count - 1] += residual * one;
                }
            }
        }
        sums
    }

    /// How often each class was measured with each bin, against what is expected.
    fn tables(&self, known: Known<'_>, drawn: &Encoded, looked: usize) -> Seen {
        let scale = known.rows / looked as f64;
        let (expected, mut through) = self.look(drawn, (looked, None), &|_| 1.0);
        through.scale(scale);
        let count = self.features.count();
        let (mut values, mut exactness) = (vec![0.0; expected.len()], vec![0.0; expected.len()]);
        let singles = self.features.starts().map(|(offset, column)| (offset, Some(column)));
        for (offset, column) in singles.chain([(count - 1, None)]) {
            let rows = self.rows_of_bins(drawn, looked, column.map(|column| (offset, column)));
            for table in known.measured.iter().filter(|table| self.tells(table, column)) {
                let (sums, cells) = self.summed(table, column);
                let share = 1.0 / self.classes as f64;
                let variance = table.deviation.powi(2) * cells * (1.0 - share);
                for (bin, (of_classes, rows)) in sums.chunks(self.classes).zip(&rows).enumerate() {
                    // All classes of a bin together are its rows, of which drawn ones tell how many there are.
                    let surplus = (of_classes.iter().sum::<f64>() - rows * scale) * share;
                    for (class, seen) in of_classes.iter().enumerate().skip(1) {
                        let at = (class - 1) * count + offset + bin;
                        values[at] += (seen - surplus - expected[at] * scale) / variance;
                        exactness[at] += 1.0 / variance;
                    }
                }
            }
        }
        values.iter_mut().zip(&exactness).filter(|(_, exact)| **exact > 0.0).for_each(|(value, exact)| *value /= exact);
        Seen { values, exactness, through }
    }

    /// How many of the rows that are looked at fall into each bin of a column, or are there at all.
    fn rows_of_bins(&self, drawn: &Encoded, looked: usize, column: Option<(usize, usize)>) -> Vec<f64> {
        let Some((offset, column)) = column else { return vec![looked as f64] };
        let mut rows = vec![0.0; self.features.sizes()[column]];
        let at = self.features.columns().iter().position(|&other| other == column).unwrap_or_default();
        (0..looked).for_each(|row| rows[drawn.row(row).0[at] as usize - offset] += 1.0);
        rows
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
        let map = projection(&table.columns, &part, sizes);
        let sums = gathered(&table.counts, &map, volume(&part, sizes));
        let cells = table.counts.len() as f64 / sums.len() as f64;
        (sums, cells)
    }
}

/// The inverse of the prior's covariance.
fn prior(features: &Features, axes: &[Axis], classes: usize) -> Symmetric {
    let [category, product, constant] = PRIOR.map(|off| f64::powi(off, -2));
    let (count, bins) = (features.count(), features.bins());
    let mut diagonal = vec![category; count];
    diagonal[bins..].fill(product);
    diagonal[count - 1] = constant;
    let mut precision = Symmetric::diagonal(&diagonal.repeat(classes - 1));
    for (offset, column) in features.starts().filter(|&(_, column)| axes[column].ordered) {
        // A missing value has no neighbours.
        let run = features.sizes()[column] - usize::from(axes[column].missing);
        let smooth = inverse(run);
        for class in 0..classes - 1 {
            let start = class * count + offset;
            smooth
                .iter()
                .enumerate()
                .for_each(|(i, line)| precision.line(start + i)[start..][..run].copy_from_slice(line));
        }
    }
    precision
}

/// The inverse of the covariance of so many neighbouring bins.
fn inverse(count: usize) -> Vec<Vec<f64>> {
    let [level, reach, own] = SMOOTH;
    let mut covariance = Symmetric::diagonal(&vec![0.0; count]);
    for i in 0..count {
        for (j, cell) in covariance.line(i).iter_mut().enumerate() {
            let near = (-(i.abs_diff(j) as f64) / (reach * count as f64)).exp();
            *cell = level * level * near + if i == j { own * own } else { 0.0 };
        }
    }
    let unit = |i: usize| (0..count).map(|j| f64::from(u8::from(i == j))).collect::<Vec<f64>>();
    (0..count).map(|i| covariance.solve(&unit(i))).collect()
}
