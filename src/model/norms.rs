//! The squared gradient norm of every row, without forming the gradients.
//!
//! For an affine layer with inputs `a` and output gradients `g` of one row (`t` positions), the
//! gradient is `a' g`, and `|a' g|^2 = sum over i, j of (a_i . a_j)(g_i . g_j)`: the ghost norm
//! (Li et al. 2022, "Large Language Models Can Be Strong Differentially Private Learners", 4).
//! Rows with very many positions form `a' g` instead, which is then the cheaper of the two.

use super::gpt2::Gpt2;
use super::kernel::{View, ViewMut, multiply};
use super::layout::Linear;
use super::ops::{column_dots, column_sums, dot, vectorised};
use super::tape::{NormTape, Tape};

/// Share of the triangle bound that is added to a squared norm. Rounding in single precision can
/// only make a computed norm smaller than the true one by less than this where terms cancel.
const ROUNDING: f64 = 2e-6;

/// Fills `tape.norms` with the squared norm of each row's gradient over all parameters.
pub fn squared_norms(model: &Gpt2, tape: &mut Tape) {
    let d = model.config().width;
    let mut norms = std::mem::take(&mut tape.norms);
    let t = model.config().positions;
    let mut scratch = vec![0f32; (4 * d * d).max(2 * t * t)];
    let kept = &*tape;
    for (row, norm) in norms.iter_mut().enumerate() {
        *norm = vectorised!(row_norm(model, kept, row, &mut scratch));
    }
    tape.norms = norms;
}

#[inline(always)]
fn row_norm(model: &Gpt2, tape: &Tape, row: usize, scratch: &mut [f32]) -> f64 {
    let t = model.config().positions;
    let positions = row * t..(row + 1) * t;
    let mut norm = embedding_norm(model, tape, row);
    norm += norm_norm(&tape.ln_f, positions.clone(), scratch);
    for (l, k) in model.layout().blocks.iter().zip(&tape.blocks) {
        norm += linear_norm(&l.c_attn, &k.ln_1.y, &k.gqkv, positions.clone(), scratch);
        norm += linear_norm(&l.c_proj, &k.context, &k.gproj, positions.clone(), scratch);
        norm += linear_norm(&l.c_fc, &k.ln_2.y, &k.ghidden, positions.clone(), scratch);
        norm += linear_norm(&l.mlp_proj, &k.active, &k.gout, positions.clone(), scratch);
        norm += norm_norm(&k.ln_1, positions.clone(), scratch);
        norm += norm_norm(&k.ln_2, positions.clone(), scratch);
    }
    norm
}

/// An affine layer: matrix and bias.
#[inline(always)]
fn linear_norm(l: &Linear, a: &[f32], g: &[f32], at: std::ops::Range<usize>, scratch: &mut [f32]) -> f64 {
    let (p, q, t) = (l.inputs, l.outputs, at.len());
    let a = &a[at.start * p..at.end * p]; // t x p
    let g = &g[at.start * q..at.end * q]; // t x q
    let matrix =
        if t * (p + q) < 2 * p * q { ghost_norm(a, g, p, q, scratch) } else { formed_norm(a, g, p, q, scratch) };
    let bias = &mut scratch[..q];
    bias.fill(0.0);
    column_sums(g, bias);
    matrix + f64::from(dot(bias, bias))
}

fn ghost_norm(a: &[f32], g: &[f32], p: usize, q: usize, scratch: &mut [f32]) -> f64 {
    let t = a.len() / p;
    let (of_a, of_g) = scratch[..2 * t * t].split_at_mut(t * t); // t x t each
    multiply(ViewMut::dense(of_a, t, t), View::dense(a, t, p), View::dense(a, t, p).transposed());
    multiply(ViewMut::dense(of_g, t, t), View::dense(g, t, q), View::dense(g, t, q).transposed());
    let diagonal = of_a.iter().zip(&*of_g).step_by(t + 1);
    let triangle: f64 = diagonal.map(|(a, g)| (f64::from(*a) * f64::from(*g)).sqrt()).sum();
    f64::from(dot(of_a, of_g)) + ROUNDING * triangle * triangle
}

fn formed_norm(a: &[f32], g: &[f32], p: usize, q: usize, scratch: &mut [f32]) -> f64 {
    let t = a.len() / p;
    let formed = &mut scratch[..p * q];
    multiply(ViewMut::dense(formed, p, q), View::dense(a, t, p).transposed(), View::dense(g, t, q));
    let mut triangle = 0f64;
    for (a, g) in a.chunks_exact(p).zip(g.chunks_exact(q)) {
        triangle += (f64::from(dot(a, a)) * f64::from(dot(g, g))).sqrt();
    }
    f64::from(dot(formed, formed)) + ROUNDING * triangle * triangle
}

/// A layer norm: gain and bias.
#[inline(always)]
fn norm_norm(k: &NormTape, at: std::ops::Range<usize>, scratch: &mut [f32]) -> f64 {
    let d = k.y.len() / k.inverse.len();
    let (unit, gy) = (&k.unit[at.start * d..at.end * d], &k.gy[at.start * d..at.end * d]);
    let (gain, bias) = scratch[..2 * d].split_at_mut(d);
    gain.fill(0.0);
    bias.fill(0.0);
    column_dots(gy, unit, gain);
    column_sums(gy, bias);
    f64::from(dot(gain, gain)) + f64::from(dot(bias, bias))
}

/// Positions and the tied embedding matrix, which is used twice: read as input (gradient `gx`) and
/// multiplied as head (gradient `g y'`). Spans are disjoint, so in one row every embedding is read
/// at most once, two heads share no row of the matrix, and of the product of the two uses only one
/// term a column is left: token `c`, read at position `t`, was predicted at position `t - 1`.
#[inline(always)]
fn embedding_norm(model: &Gpt2, tape: &Tape, row: usize) -> f64 {
    let (d, t) = (model.config().width, model.config().positions);
    let mut norm = 0f64;
    let mut triangle = 0f64;
    for (i, span) in model.spans().iter().enumerate() {
        let n = row * t + i;
        let gx = &tape.gx[n * d..(n + 1) * d];
        let y = &tape.ln_f.y[n * d..(n + 1) * d];
        let logits = &tape.logits[model.logits(i, tape.rows)];
        let g = &logits[row * span.len()..(row + 1) * span.len()];
        let read = f64::from(dot(gx, gx));
        let head = f64::from(dot(g, g)) * f64::from(dot(y, y));
        norm += 2.0 * read + head; // once for the position, once for the token
        triangle += read.sqrt() + head.sqrt();
        if i + 1 < t {
            let next = &tape.gx[(n + 1) * d..(n + 2) * d];
            let token = (tape.targets[n] - span.start) as usize;
            norm += 2.0 * f64::from(g[token]) * f64::from(dot(y, next));
        }
    }
    norm + ROUNDING * triangle * triangle
}
