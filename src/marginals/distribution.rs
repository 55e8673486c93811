//! What was learnt of a table from noisy counts: a distribution that rows can be drawn from for ever.

use rand::Rng;

use super::bins::Bins;
use super::fit::{Fitted, Measured};
use super::labels::Labels;
use super::pool::{Kept, Pool, pool_of};
use super::recipe::POOL;
use super::rows::BinRows;

/// A fitted distribution over the rows of a table. Everything in it is post-processing of released counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The bins of each column.
    pub bins: Vec<Bins>,
    /// The distribution over bins.
    pub fitted: Fitted,
    /// The measured tables that it was fitted to.
    pub measured: Vec<Measured>,
    /// About how many rows there are, as measured.
    pub rows: f64,
    /// The corrected labels, where there is a target with classes.
    pub labels: Option<Labels>,
    /// How much less exact the tables are taken to be than their noise is, when drawn rows are weighed.
    pub lambda: f64,
}

/// Rows that are weighed at least, if the table has as many.
const LEAST: usize = 20_000;

impl Distribution {
    /// The number of bins of each column.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.bins.iter().map(Bins::count).collect()
    }

    /// Draws `rows` rows of bins, with corrected labels and in proportion to their weights, in random order.
    pub fn draw<R: Rng + ?Sized>(&self, rows: usize, rng: &mut R) -> BinRows {
        let mut drawn = BinRows { columns: vec![Vec::with_capacity(rows); self.bins.len()] };
        let chunks = rows.div_ceil(POOL / 2).max(1);
        for chunk in 0..chunks {
            let count = rows / chunks + usize::from(chunk < rows % chunks);
            // Few rows cannot meet the tables: weigh as many as there are, and keep few of them.
            let weighed = pool_of(count.max((self.rows as usize).min(LEAST)));
            let (kept, _) = self.correct(self.fitted.sample(weighed, rng), count, rng);
            drawn.columns.iter_mut().zip(kept.columns).for_each(|(to, from)| to.extend(from));
        }
        drawn
    }

    /// The `count` rows to keep of some that were drawn, with corrected labels, and which they are. Weights are fitted to
    /// these very rows: what a cell of few rows weighs means nothing elsewhere.
    pub fn correct<R: Rng + ?Sized>(&self, rows: BinRows, count: usize, rng: &mut R) -> (BinRows, Kept) {
        let pool = Pool::of(rows, self.labels.as_ref());
        let weights = pool.weights(&self.measured, (self.rows, self.lambda), &self.sizes());
        let kept = pool.kept(&weights, &self.fitted, count, rng);
        (pool.take(&kept), kept)
    }

    /// The values of rows of bins, column after column.
    pub fn values<R: Rng + ?Sized>(&self, rows: &BinRows, rng: &mut R) -> Vec<Vec<u32>> {
        self.bins.iter().zip(&rows.columns).map(|(bins, column)| bins.draw(column, rng)).collect()
    }

    /// The logarithm of the probability of each row of bins under the fitted distribution, without what labels were corrected.
    #[must_use]
    pub fn log_densities(&self, rows: &BinRows) -> Vec<f64> {
        let (mut sums, sizes) = (vec![0.0; rows.len()], self.sizes());
        let mut add = |columns: &[usize], probabilities: &[f64], sign: f64| {
            for (sum, cell) in sums.iter_mut().zip(rows.cells(columns, &sizes)) {
                *sum += sign * probabilities[cell as usize].max(f64::MIN_POSITIVE).ln();
            }
        };
        for (clique, beliefs) in self.fitted.tree.cliques().iter().zip(&self.fitted.beliefs) {
            add(&clique.columns, beliefs, 1.0);
            // What a clique shares with its parent is counted once.
            if let Some(shared) = self.fitted.table(&clique.separator).filter(|_| !clique.separator.is_empty()) {
                add(&clique.separator, &shared, -1.0);
            }
        }
        sums
    }

    /// How far rows are from the measured tables: the mean over tables of the part of rows that would have to move,
    /// noise included. Post-processing.
    #[must_use]
    pub fn distance(&self, rows: &BinRows) -> f64 {
        let sizes = self.sizes();
        let scale = self.rows / rows.len() as f64;
        let of = |table: &Measured| {
            let counts = rows.counts(&table.columns, &sizes);
            let apart: f64 = table.counts.iter().zip(counts).map(|(y, count)| (y - scale * count as f64).abs()).sum();
            0.5 * apart / self.rows
        };
        let wide = |table: &&Measured| table.columns.len() > 1;
        let (sum, count) = self.measured.iter().filter(wide).fold((0.0, 0.0), |(s, n), table| (s + of(table), n + 1.0));
        if count > 0.0 { sum / count } else { 0.0 }
    }
}
