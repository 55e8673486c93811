//! Where weighted gradients are added up: the vector of trained parameters, in double precision.
//!
//! A product over one chunk of rows is in single precision and then added in double. Large matrices
//! are cut into blocks of rows, so that what lies between is a few hundred kilobytes, and several
//! threads can share one matrix.

use rayon::prelude::*;

use super::ghost::at_least;
use super::kernel::{View, ViewMut, multiply};
use super::layout::Part;
use super::ops::{column_dots, column_sums, vectorised};
use super::scratch::Scratch;

/// Numbers of a block.
const BLOCK: usize = 1 << 18;

/// Adds `a' g` to the sum's part of a matrix (`p x q`), for `a` of `n x p` and `g` of `n x q`.
pub fn add_product(sum: &mut [f64], part: &Part, a: View<'_>, g: View<'_>) {
    let Some(slot) = part.slot.clone() else { return };
    add_product_at(&mut sum[slot], a, g);
}

/// As [`add_product`], to a dense `p x q` matrix.
pub fn add_product_at(out: &mut [f64], a: View<'_>, g: View<'_>) {
    let (n, q) = (a.rows(), g.columns());
    if n == 0 || q == 0 {
        return;
    }
    let block = (BLOCK / q).max(1);
    out.par_chunks_mut(block * q).enumerate().for_each_init(Scratch::new, |scratch, (i, out)| {
        let rows = out.len() / q;
        let scratch = at_least(scratch, out.len());
        multiply(ViewMut::dense(scratch, rows, q), a.columns_from(i * block, rows).transposed(), g);
        vectorised!(out.iter_mut().zip(&*scratch).for_each(|(sum, &x)| *sum += f64::from(x)));
    });
}

/// Adds the rows of `g` (`n x q`) to the sum's part of a vector.
pub fn add_columns(sum: &mut [f64], part: &Part, g: &[f32]) {
    let Some(slot) = part.slot.clone() else { return };
    let mut columns = vec![0f32; slot.len()];
    vectorised!(column_sums(g, &mut columns));
    add_vector(&mut sum[slot], &columns);
}

/// Adds the rows of `x * y` (`n x q` each) to the sum's part of a vector.
pub fn add_column_dots(sum: &mut [f64], part: &Part, x: &[f32], y: &[f32]) {
    let Some(slot) = part.slot.clone() else { return };
    let mut columns = vec![0f32; slot.len()];
    vectorised!(column_dots(x, y, &mut columns));
    add_vector(&mut sum[slot], &columns);
}

/// `out += x`
pub fn add_vector(out: &mut [f64], x: &[f32]) {
    vectorised!(out.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x)));
}
