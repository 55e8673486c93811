//! A table measured from end to end: histograms, bins, rounds of tables, labels.

use rand::Rng;

use super::axis::{Axis, Cells};
use super::bins::{Bins, Coarseness};
use super::cleaning::Counted;
use super::correction::Known;
use super::descent::Patience;
use super::distribution::Distribution;
use super::features::Features;
use super::fit::{Fit, Measured};
use super::instrument::{Instrument, Phase, Refused};
use super::labels::Labels;
use super::pool::pool_of;
use super::ranking::ranked;
use super::recipe::{CLASSES, POOL, Recipe};
use super::rows::BinRows;
use super::select::{Round, candidates};

/// A table to measure.
pub struct Survey<'a> {
    /// What is public about its columns.
    pub axes: &'a [Axis],
    /// The column that models predict, if one was declared.
    pub target: Option<usize>,
    /// How it is measured.
    pub recipe: &'a Recipe,
}

/// Iterations of a fit after a round, and after the last one.
const ITERATIONS: [usize; 2] = [200, 400];

/// The smallest part of a bin's mass in that of the table.
const LEAST_PART: f64 = 1.0 / 300.0;

/// Rows of the distribution that a round is compared with, for each private one.
const COMPARED: f64 = 4.0;

/// Histograms that are released of columns like these: one, or two where there are many cells.
#[must_use]
pub fn histograms(axes: &[Axis]) -> u32 {
    axes.iter().map(|axis| 1 + u32::from(axis.cells().groups().is_some())).sum()
}

/// Whether labels of this column are corrected: it has classes, and not too many.
#[must_use]
pub fn has_classes(axis: Axis) -> bool {
    let classes = axis.values as usize + usize::from(axis.missing);
    !axis.ordered && (2..=CLASSES).contains(&classes)
}

impl Survey<'_> {
    /// Measures the private table, whose columns `column` gives as values (a missing one at or beyond the axis' number
    /// of values), and fits a distribution to what was measured. `rng` serves the drawing of rows alone. `pulse` is
    /// called between the parts with the number of those that are done.
    ///
    /// # Errors
    /// Whatever `pulse` says, and [`Refused`] by its way.
    pub fn carry_out<R: Rng, E: From<Refused>>(
        &self,
        column: &dyn Fn(usize) -> Vec<u32>,
        instrument: &mut dyn Instrument,
        rng: &mut R,
        pulse: &dyn Fn(usize) -> Result<(), E>,
    ) -> Result<Distribution, E> {
        pulse(0)?;
        let (bins, mut measured, rows) = self.columns(column, instrument)?;
        let encode = |(at, bins): (usize, &Bins)| column(at).into_iter().map(|value| bins.of_value(value)).collect();
        let private = BinRows { columns: bins.iter().enumerate().map(encode).collect() };
        let sizes: Vec<usize> = bins.iter().map(Bins::count).collect();
        let mut fitted = self.fit(rows, 40).to(&measured, &sizes, None);
        let among = candidates(&sizes, self.target, self.recipe.triples, self.recipe.cells);
        for (number, &part) in self.recipe.rounds.iter().enumerate() {
            pulse(1 + number)?;
            let model = fitted.sample(((rows * COMPARED) as usize).clamp(1000, POOL), rng);
            let cells = self.recipe.cells * part;
            let round = Round { number, private: &private, model: &model, rows, sizes: &sizes, cells };
            round.run(&among, &mut measured, instrument)?;
            let last = number + 1 == self.recipe.rounds.len();
            fitted = self.fit(rows, ITERATIONS[usize::from(last)]).to(&measured, &sizes, Some(&fitted));
        }
        pulse(1 + self.recipe.rounds.len())?;
        let pool = fitted.sample(pool_of(rows as usize), rng);
        let known = Known { axes: self.axes, drawn: &pool, rows, measured: &measured };
        let labels = self.labels(&private, known, &sizes, instrument)?;
        Ok(Distribution { bins, fitted, measured, rows, labels, lambda: self.recipe.tilt })
    }

    fn fit(&self, rows: f64, iterations: usize) -> Fit {
        let patience = Patience { iterations, gain: 1e-7, slope: 1e-3 };
        Fit { rows, lambda: self.recipe.lambda, patience }
    }

    /// The histograms, what bins they make, and about how many rows there are.
    fn columns(
        &self,
        column: &dyn Fn(usize) -> Vec<u32>,
        instrument: &mut dyn Instrument,
    ) -> Result<(Vec<Bins>, Vec<Measured>, f64), Refused> {
        let each = instrument.left(Phase::Histograms) / f64::from(histograms(self.axes)) * (1.0 - 1e-9);
        let mut noisy = Vec::with_capacity(self.axes.len());
        for (at, axis) in self.axes.iter().enumerate() {
            noisy.push(Noisy::measured(&axis.cells(), &column(at), each, instrument)?);
        }
        // Every histogram counts all rows; the one with fewer cells does it with less noise.
        let weights = || noisy.iter().flat_map(Noisy::totals);
        let (sum, weight) =
            weights().fold((0.0, 0.0), |(sum, all), (total, weight)| (sum + total * weight, all + weight));
        let rows = (sum / weight).max(1.0);
        let mut bins = Vec::with_capacity(noisy.len());
        for (axis, noisy) in self.axes.iter().zip(&noisy) {
            let mut density = noisy.density();
            let whole: f64 = density.iter().sum();
            density.iter_mut().for_each(|mass| *mass *= rows / whole.max(1.0));
            let coarseness = Coarseness {
                most: self.recipe.bins,
                least_mass: (rows * LEAST_PART).max(noisy.deviation),
                insignificant: 3.0 * noisy.deviation,
            };
            bins.push(Bins::new(*axis, density, coarseness));
        }
        let table = |(at, (noisy, bins)): (usize, (&Noisy, &Bins))| Measured {
            columns: vec![at],
            counts: noisy.of_bins(bins),
            deviation: noisy.deviation,
        };
        let measured = noisy.iter().zip(&bins).enumerate().map(table).collect();
        Ok((bins, measured, rows))
    }

    /// Labels that go with the drawn rows, corrected.
    fn labels(
        &self,
        private: &BinRows,
        known: Known<'_>,
        sizes: &[usize],
        instrument: &mut dyn Instrument,
    ) -> Result<Option<Labels>, Refused> {
        let Some(target) = self.target.filter(|&target| has_classes(self.axes[target]) && sizes[target] > 1) else {
            return Ok(None);
        };
        let features = Features::within(&ranked(known.drawn, target, sizes), sizes[target], sizes);
        let mut labels = Labels::fitted(known.drawn, target, sizes, features);
        // What products of columns say is one number for two classes.
        if labels.classes == 2 {
            labels = labels.with_products(known.drawn);
        }
        labels.correct(private, known, instrument)?;
        Ok(Some(labels))
    }
}

/// The noisy histograms of a column.
struct Noisy {
    cells: Cells,
    fine: Vec<f64>,
    coarse: Option<Vec<f64>>,
    deviation: f64,
}

impl Noisy {
    fn measured(cells: &Cells, values: &[u32], mu2: f64, instrument: &mut dyn Instrument) -> Result<Self, Refused> {
        let mut fine = vec![0i64; cells.count()];
        values.iter().for_each(|&value| fine[cells.of(value)] += 1);
        let mut coarse = cells.groups().map(|groups| {
            let sum = |ends: &[usize]| fine[ends[0]..ends[1]].iter().sum::<i64>();
            groups.windows(2).map(sum).collect::<Vec<i64>>()
        });
        let deviation = instrument.measure(Phase::Histograms, &mut fine, 1, mu2)?;
        if let Some(coarse) = &mut coarse {
            instrument.measure(Phase::Histograms, coarse, 1, mu2)?;
        }
        let numbers = |counts: Vec<i64>| counts.into_iter().map(|count| count as f64).collect::<Vec<f64>>();
        Ok(Self { cells: cells.clone(), fine: numbers(fine), coarse: coarse.map(numbers), deviation })
    }

    /// Noisy totals, each with the inverse of its variance in units of the noise.
    fn totals(&self) -> impl Iterator<Item = (f64, f64)> {
        let missing: f64 = self.fine[self.cells.values()..].iter().sum();
        let total =
            move |counts: &Vec<f64>, more: f64| (counts.iter().sum::<f64>() + more, 1.0 / (counts.len() as f64 + 1.0));
        [Some(total(&self.fine, 0.0)), self.coarse.as_ref().map(|coarse| total(coarse, missing))].into_iter().flatten()
    }

    fn density(&self) -> Vec<f64> {
        let coarse = self.coarse.as_deref();
        Counted { cells: &self.cells, fine: &self.fine, coarse, deviation: self.deviation }.density()
    }

    /// What the fit is told about the bins: noisy counts as they are where a bin is a category, else cleaned ones.
    fn of_bins(&self, bins: &Bins) -> Vec<f64> {
        let (of_cell, _) = bins.parts();
        if self.cells.axis().ordered {
            return bins.masses().to_vec();
        }
        let mut counts = vec![0.0; bins.count()];
        of_cell.iter().zip(&self.fine).for_each(|(&bin, count)| counts[usize::from(bin)] += count);
        counts
    }
}
