//! The squared norm of a product `a' g` without forming it, where that is cheaper.
//!
//! For an affine layer with inputs `a` (`t x p`) and output gradients `g` (`t x q`) of one row, the
//! gradient is `a' g`, and `|a' g|^2 = sum over i, j of (a_i . a_j)(g_i . g_j)`: the ghost norm
//! (Li et al. 2022, "Large Language Models Can Be Strong Differentially Private Learners", 4).
//! Rows with very many places form `a' g` instead, which is then the cheaper of the two.

use super::kernel::{View, ViewMut, multiply, multiply_add};
use super::ops::{column_sums, dot};

/// Share of the triangle bound that is added to a squared norm. Rounding in single precision can
/// only make a computed norm smaller than the true one by less than this where terms cancel.
pub const ROUNDING: f64 = 2e-6;

/// Columns of a piece of a Gram matrix's factor.
const PIECE: usize = 256;

/// Distance of the rows of its copy.
const STEP: usize = PIECE + 16;

/// `|a' g|^2` for `a` of `t x p` and `g` of `t x q`.
#[inline(always)]
pub fn product_norm((a, p): (&[f32], usize), (g, q): (&[f32], usize), scratch: &mut Vec<f32>) -> f64 {
    let t = a.len() / p;
    if t * (p + q) < 2 * p * q { ghost((a, p), (g, q), scratch) } else { formed((a, p), (g, q), scratch) }
}

#[inline(always)]
fn ghost((a, p): (&[f32], usize), (g, q): (&[f32], usize), scratch: &mut Vec<f32>) -> f64 {
    let t = a.len() / p;
    let (of_a, rest) = at_least(scratch, 2 * t * t + t * STEP).split_at_mut(t * t); // t x t
    let (of_g, piece) = rest.split_at_mut(t * t); // t x t, t x STEP
    gram(of_a, (a, p), piece);
    gram(of_g, (g, q), piece);
    let diagonal = of_a.iter().zip(&*of_g).step_by(t + 1);
    let triangle: f64 = diagonal.map(|(a, g)| (f64::from(*a) * f64::from(*g)).sqrt()).sum();
    f64::from(dot(of_a, of_g)) + ROUNDING * triangle * triangle
}

/// `out = x x'` for `x` of `t x p`, a few columns at a time, which are first copied to rows that lie closer
/// together: rows whose distance is a multiple of 4096 bytes push each other out of the cache while the
/// product packs them, and it takes twice as long.
#[inline(always)]
fn gram(out: &mut [f32], (x, p): (&[f32], usize), copy: &mut [f32]) {
    let t = x.len() / p;
    for first in (0..p).step_by(PIECE) {
        let width = PIECE.min(p - first);
        for (copy, x) in copy.chunks_exact_mut(STEP).zip(x.chunks_exact(p)) {
            copy[..width].copy_from_slice(&x[first..first + width]);
        }
        let (out, piece) = (ViewMut::dense(out, t, t), View::strided(copy, t, width, STEP));
        if first == 0 {
            multiply(out, piece, piece.transposed());
        } else {
            multiply_add(out, piece, piece.transposed());
        }
    }
}

#[inline(always)]
fn formed((a, p): (&[f32], usize), (g, q): (&[f32], usize), scratch: &mut Vec<f32>) -> f64 {
    let t = a.len() / p;
    let formed = at_least(scratch, p * q);
    multiply(ViewMut::dense(formed, p, q), View::dense(a, t, p).transposed(), View::dense(g, t, q));
    let mut triangle = 0f64;
    for (a, g) in a.chunks_exact(p).zip(g.chunks_exact(q)) {
        triangle += (f64::from(dot(a, a)) * f64::from(dot(g, g))).sqrt();
    }
    f64::from(dot(formed, formed)) + ROUNDING * triangle * triangle
}

/// The squared norm of the sum of the rows of `g` (`t x q`).
#[inline(always)]
pub fn columns_norm(g: &[f32], q: usize, scratch: &mut Vec<f32>) -> f64 {
    let sum = at_least(scratch, q);
    sum.fill(0.0);
    column_sums(g, sum);
    f64::from(dot(sum, sum))
}

/// The first `length` numbers of a buffer that grows as it must.
#[inline(always)]
pub fn at_least(scratch: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if scratch.len() < length {
        scratch.resize(length, 0.0);
    }
    &mut scratch[..length]
}
