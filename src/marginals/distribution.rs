//! What was learnt of a table from noisy counts: a distribution that rows can be drawn from for ever.

use rand::Rng;

use super::bins::{Bins, shuffle};
use super::fit::{Fitted, Measured};
use super::labels::Labels;
use super::recipe::POOL;
use super::rows::BinRows;
use super::sample::alike;
use super::tilt::{Tilt, systematic};

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
    /// Weights of drawn rows.
    pub tilt: Tilt,
}

/// Rows drawn at a time in which one is kept of so many.
const SPARE: usize = 2;

impl Distribution {
    /// The number of bins of each column.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        self.bins.iter().map(Bins::count).collect()
    }

    /// Draws `rows` rows of bins, relabelled and in proportion to their weights, in random order.
    pub fn draw<R: Rng + ?Sized>(&self, rows: usize, rng: &mut R) -> BinRows {
        let mut drawn = BinRows { columns: vec![Vec::with_capacity(rows); self.bins.len()] };
        let chunks = rows.div_ceil(POOL / SPARE).max(1);
        for chunk in 0..chunks {
            let count = rows / chunks + usize::from(chunk < rows % chunks);
            let mut pool = self.fitted.sample(SPARE * count, rng);
            relabel(&mut pool, &self.fitted, self.labels.as_ref(), rng);
            let kept = pool.take(&self.kept(&pool, (&self.tilt, count), rng));
            drawn.columns.iter_mut().zip(kept.columns).for_each(|(to, from)| to.extend(from));
        }
        drawn
    }

    /// Relabels rows that another model drew, and says which `count` of them to keep: in proportion to their weights
    /// under a tilt of their own, whose tables are taken to be less exact by `lambda`.
    pub fn correct<R: Rng + ?Sized>(&self, pool: &mut BinRows, (count, lambda): (usize, f64), rng: &mut R) -> Vec<u32> {
        relabel(pool, &self.fitted, self.labels.as_ref(), rng);
        let tilt = Tilt::fitted(pool, &self.measured, (self.rows, lambda), &self.sizes());
        self.kept(pool, (&tilt, count), rng)
    }

    fn kept<R: Rng + ?Sized>(&self, pool: &BinRows, (tilt, count): (&Tilt, usize), rng: &mut R) -> Vec<u32> {
        let weights = tilt.weights(pool, &self.sizes());
        let mut kept = systematic(&weights, &alike(pool, &self.fitted, None), count, rng);
        shuffle(&mut kept, rng);
        kept
    }

    /// The values of rows of bins, column after column.
    pub fn values<R: Rng + ?Sized>(&self, rows: &BinRows, rng: &mut R) -> Vec<Vec<u32>> {
        self.bins.iter().zip(&rows.columns).map(|(bins, column)| bins.draw(column, rng)).collect()
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

/// Draws the labels of rows anew: class after class along an order in which neighbours are alike, each as often as its
/// probabilities add up to, rounded by one chance for all.
pub fn relabel<R: Rng + ?Sized>(rows: &mut BinRows, fitted: &Fitted, labels: Option<&Labels>, rng: &mut R) {
    let Some(labels) = labels else { return };
    let probabilities = labels.probabilities(rows);
    let p = |row: u32, class: usize| probabilities[row as usize * labels.classes + class];
    let mut open = alike(rows, fitted, Some(labels.target));
    let column = &mut rows.columns[labels.target];
    column.fill(0);
    // What is left of each row's probability when it has none of the classes so far.
    let mut left = vec![1.0; column.len()];
    for class in 1..labels.classes {
        let mut reached = rng.random::<f64>();
        open.retain(|&row| {
            let before = reached.floor();
            reached += (p(row, class) / f64::max(left[row as usize], 1e-12)).min(1.0);
            left[row as usize] -= p(row, class);
            let taken = reached.floor() > before;
            if taken {
                column[row as usize] = class as u16;
            }
            !taken
        });
    }
}
