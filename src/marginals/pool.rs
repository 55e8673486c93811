//! Drawn rows with labels in balance: which rows to keep and which label each gets, so that the measured tables are met.
//!
//! Every row is there once for each label, with the label model's probability as its weight; a tilt to the measured
//! tables changes weights, and so, a little, labels where tables know of dependences that the label model has not.

use rand::Rng;
use rand::seq::SliceRandom;

use super::fit::{Fitted, Measured};
use super::labels::Labels;
use super::rows::BinRows;
use super::sample::alike;
use super::tilt::{systematic, tilted};

/// Rows, each as often as there are labels.
pub struct Pool {
    /// As they were drawn.
    rows: BinRows,
    /// All rows with the first label, then all with the second, and so on; the same as `rows` where labels stay.
    copies: BinRows,
    /// Logarithms of the copies' weights.
    weights: Vec<f64>,
    /// The target, where labels are drawn anew.
    target: Option<usize>,
}

/// Rows that were kept, and their labels where they got new ones.
pub struct Kept {
    /// Which rows.
    pub rows: Vec<u32>,
    /// The target and the label of each.
    pub labels: Option<(usize, Vec<u16>)>,
}

/// Rows up to which two are drawn for one that is kept.
const SPARED: usize = 120_000;

/// Rows to draw for so many that are kept, within what memory bears.
#[must_use]
pub fn pool_of(rows: usize) -> usize {
    (2 * rows).min(SPARED).max(rows).clamp(1000, super::recipe::POOL)
}

impl Pool {
    /// Rows with labels in balance, or as they are.
    #[must_use]
    pub fn of(rows: BinRows, labels: Option<&Labels>) -> Self {
        let Some(labels) = labels else {
            let (copies, weights) = (rows.clone(), vec![0.0; rows.len()]);
            return Self { rows, copies, weights, target: None };
        };
        let probabilities = labels.probabilities(&rows);
        let mut copies = BinRows { columns: rows.columns.iter().map(|column| column.repeat(labels.classes)).collect() };
        let mut weights = Vec::with_capacity(copies.len());
        for class in 0..labels.classes {
            weights.extend(probabilities.chunks(labels.classes).map(|p| p[class].max(1e-12).ln()));
            copies.columns[labels.target][class * rows.len()..][..rows.len()].fill(class as u16);
        }
        Self { rows, copies, weights, target: Some(labels.target) }
    }

    /// Weights of the copies that meet tables of about `rows` rows, each taken to be less exact than its noise by
    /// `lambda`.
    #[must_use]
    pub fn weights(&self, measured: &[Measured], (rows, lambda): (f64, f64), sizes: &[usize]) -> Vec<f64> {
        tilted((&self.copies, &self.weights), measured, (rows, lambda), sizes)
    }

    /// The rows that were kept.
    #[must_use]
    pub fn take(&self, kept: &Kept) -> BinRows {
        let mut rows = self.rows.take(&kept.rows);
        if let Some((target, labels)) = &kept.labels {
            rows.columns[*target].clone_from(labels);
        }
        rows
    }

    /// Keeps `count` rows by the weights of their copies, in random order.
    pub fn kept<R: Rng + ?Sized>(&self, weights: &[f64], fitted: &Fitted, count: usize, rng: &mut R) -> Kept {
        let rows = self.rows.len();
        let of_row: Vec<f64> = (0..rows).map(|row| weights.iter().skip(row).step_by(rows).sum()).collect();
        let order = alike(&self.rows, fitted, self.target);
        let kept = systematic(&of_row, &order, count, rng);
        let mut turn: Vec<u32> = (0..kept.len() as u32).collect();
        turn.shuffle(rng);
        let labels = self.target.map(|target| {
            let p = |row: u32, class: usize| weights[class * rows + row as usize] / of_row[row as usize].max(1e-300);
            let labels = dealt(&kept, weights.len() / rows.max(1), &p, rng);
            (target, turn.iter().map(|&at| labels[at as usize]).collect())
        });
        Kept { rows: turn.iter().map(|&at| kept[at as usize]).collect(), labels }
    }
}

/// Labels along an order in which neighbours are alike: class after class, each as often as its probabilities add up
/// to, rounded by one chance for all.
fn dealt<R: Rng + ?Sized>(rows: &[u32], classes: usize, p: &dyn Fn(u32, usize) -> f64, rng: &mut R) -> Vec<u16> {
    let mut labels = vec![0; rows.len()];
    let mut open: Vec<(u32, f64)> = (0..rows.len() as u32).map(|at| (at, 1.0)).collect();
    for class in 1..classes {
        let mut reached = rng.random::<f64>();
        open.retain_mut(|(at, left)| {
            let before = reached.floor();
            let share = p(rows[*at as usize], class);
            reached += (share / left.max(1e-12)).min(1.0);
            *left -= share;
            let taken = reached.floor() > before;
            if taken {
                labels[*at as usize] = class as u16;
            }
            !taken
        });
    }
    labels
}
