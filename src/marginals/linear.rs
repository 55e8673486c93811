//! Symmetric systems of linear equations.

use rayon::prelude::*;

/// A symmetric matrix, whole, line after line.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    size: usize,
    cells: Vec<f64>,
}

impl Symmetric {
    /// A matrix with this diagonal.
    #[must_use]
    pub fn diagonal(diagonal: &[f64]) -> Self {
        let size = diagonal.len();
        let mut cells = vec![0.0; size * size];
        diagonal.iter().enumerate().for_each(|(i, x)| cells[i * size + i] = *x);
        Self { size, cells }
    }

    /// The number of lines.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Line `i`.
    pub fn line(&mut self, i: usize) -> &mut [f64] {
        &mut self.cells[i * self.size..][..self.size]
    }

    /// This matrix times a vector.
    #[must_use]
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        let product = |line: &[f64]| line.iter().zip(vector).map(|(a, b)| a * b).sum();
        self.cells.chunks(self.size.max(1)).map(product).collect()
    }

    /// Copies the lower half to the upper one.
    pub fn mirror(&mut self) {
        for i in 0..self.size {
            for j in 0..i {
                self.cells[j * self.size + i] = self.cells[i * self.size + j];
            }
        }
    }

    /// Adds another matrix.
    pub fn add(&mut self, other: &Self) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(a, b)| *a += b);
    }

    /// Multiplies by a number.
    pub fn scale(&mut self, factor: f64) {
        self.cells.iter_mut().for_each(|x| *x *= factor);
    }

    /// Adds `other diag(weights) other`.
    pub fn add_square(&mut self, weights: &[f64], other: &Self) {
        let size = self.size.max(1);
        self.cells.par_chunks_mut(size).zip(other.cells.par_chunks(size)).for_each(|(to, line)| {
            for ((&x, weight), across) in line.iter().zip(weights).zip(other.cells.chunks(size)) {
                let x = weight * x;
                if x != 0.0 {
                    to.iter_mut().zip(across).for_each(|(to, y)| *to += x * y);
                }
            }
        });
    }

    /// The solution of `self x = right` by Cholesky's method; pivots that rounding has made too small are raised, so
    /// that there always is one.
    #[must_use]
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let size = self.size;
        let mut factor = self.cells.clone();
        for i in 0..size {
            let (line, below) = factor[i * size..].split_at_mut(size);
            let pivot = line[i] - line[..i].iter().map(|x| x * x).sum::<f64>();
            let pivot = pivot.max(1e-12 * self.cells[i * size + i].abs().max(1e-12)).sqrt();
            line[i] = pivot;
            let line = &line[..=i];
            below.par_chunks_mut(size).for_each(|other| {
                let product: f64 = line[..i].iter().zip(&other[..i]).map(|(a, b)| a * b).sum();
                other[i] = (other[i] - product) / pivot;
            });
        }
        let mut x = right.to_vec();
        for i in 0..size {
            let known: f64 = factor[i * size..][..i].iter().zip(&x).map(|(a, b)| a * b).sum();
            x[i] = (x[i] - known) / factor[i * size + i];
        }
        for i in (0..size).rev() {
            x[i] /= factor[i * size + i];
            let here = x[i];
            let line = factor[i * size..][..i].to_vec();
            x[..i].iter_mut().zip(line).for_each(|(x, a)| *x -= a * here);
        }
        x
    }
}
