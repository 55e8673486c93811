//! Weights that make drawn rows agree with the measured tables, and rows in proportion to weights.
//!
//! Maximum entropy once more, over the drawn rows themselves: weights proportional to the exponential of a sum of
//! potentials, one for each cell of a table that a row falls into.

use rand::Rng;
use rayon::prelude::*;

use super::descent::{Patience, minimise};
use super::dual::Dual;
use super::fit::Measured;
use super::rows::BinRows;
use super::tree::exponentials;

/// Parts that rows are cut into for threads.
const PARTS: usize = 8;

const PATIENCE: Patience = Patience { iterations: 150, gain: 1e-9, slope: 1e-3 };

/// Weights, which add up to 1, of `drawn` rows, whose weights have the logarithms `base` before, that meet tables of about
/// `rows` rows, each taken to be less exact than its noise by `lambda`.
#[must_use]
pub fn tilted(
    (drawn, base): (&BinRows, &[f64]),
    measured: &[Measured],
    (rows, lambda): (f64, f64),
    sizes: &[usize],
) -> Vec<f64> {
    let cells: Vec<Vec<u32>> = measured.iter().map(|table| drawn.cells(&table.columns, sizes)).collect();
    let dual = Dual::new(measured, (rows, lambda));
    let starts: Vec<usize> = dual.parts().map(|part| part.start).collect();
    let mut hit = vec![false; dual.cells()];
    for (cells, start) in cells.iter().zip(&starts) {
        cells.iter().for_each(|&cell| hit[start + cell as usize] = true);
    }
    let mut x = vec![0.0; dual.cells()];
    let mut weights = vec![0.0; drawn.len()];
    minimise(&mut x, PATIENCE, |x, gradient| {
        let theta = dual.potentials(x);
        weigh(&mut weights, base, (&cells, &starts), &theta);
        let log_sum = normalise(&mut weights);
        let sums = cells.par_iter().zip(measured).map(|(cells, table)| {
            let mut sums = vec![0.0; table.counts.len()];
            weights.iter().zip(cells).for_each(|(weight, &cell)| sums[cell as usize] += weight);
            sums
        });
        let expected: Vec<f64> = sums.collect::<Vec<_>>().concat();
        let mut value = rows * log_sum;
        for (i, gradient) in gradient.iter_mut().enumerate() {
            // Cells that no drawn row falls into say nothing.
            let (adds, slope) = if hit[i] { dual.cell(i, theta[i], expected[i]) } else { (0.0, 0.0) };
            value += adds;
            *gradient = slope;
        }
        value
    });
    let theta = dual.potentials(&x);
    weigh(&mut weights, base, (&cells, &starts), &theta);
    normalise(&mut weights);
    weights
}

/// The logarithms of weights: those before, and the potentials of the cells that a row falls into.
fn weigh(weights: &mut [f64], base: &[f64], (cells, starts): (&[Vec<u32>], &[usize]), theta: &[f64]) {
    let part = weights.len().div_ceil(PARTS).max(1);
    weights.par_chunks_mut(part).enumerate().for_each(|(at, weights)| {
        weights.copy_from_slice(&base[at * part..][..weights.len()]);
        for (cells, start) in cells.iter().zip(starts) {
            let (theta, cells) = (&theta[*start..], &cells[at * part..][..weights.len()]);
            weights.iter_mut().zip(cells).for_each(|(weight, &cell)| *weight += theta[cell as usize]);
        }
    });
}

/// Exponentials over their sum; returns the logarithm of the sum.
fn normalise(weights: &mut [f64]) -> f64 {
    let (highest, sum) = exponentials(weights);
    weights.iter_mut().for_each(|weight| *weight /= sum);
    highest + sum.ln()
}

/// `rows` of the rows in `order`, each as often as its weight says, rounded up or down by one chance for all: along
/// an order in which neighbours are alike, what one loses its neighbour gains.
pub fn systematic<R: Rng + ?Sized>(weights: &[f64], order: &[u32], rows: usize, rng: &mut R) -> Vec<u32> {
    let whole: f64 = weights.iter().sum();
    let (offset, mut reached) = (rng.random::<f64>(), 0.0);
    let mut taken = Vec::with_capacity(rows);
    for &row in order {
        reached += weights[row as usize] / whole * rows as f64;
        while taken.len() < rows && (taken.len() as f64) < (reached + offset).floor() {
            taken.push(row);
        }
    }
    // Rounding may have lost the last one.
    while taken.len() < rows {
        taken.push(order[order.len() - 1]);
    }
    taken
}
