//! Heads over the whole vocabulary, as GPT-2 was trained: `n x v` logits. Places whose choice is
//! [`NONE`] predict nothing; the loss of a row is the mean over the others.

use rayon::prelude::*;

use super::NONE;
use crate::model::ghost::{ROUNDING, at_least, product_norm};
use crate::model::gpt2::Gpt2;
use crate::model::kernel::{View, ViewMut, multiply};
use crate::model::ops::{self, dot, vectorised};
use crate::model::sum::add_product_at;
use crate::model::tape::Tape;

/// The logits of the chunk, `n x v`.
pub fn logits(model: &Gpt2, p: &[f32], tape: &mut Tape) {
    let (d, v, n) = (model.config().width, model.config().vocabulary, tape.n());
    let head = View::dense(model.layout().output().of(p), v, d).transposed();
    multiply(ViewMut::dense(&mut tape.logits[..n * v], n, v), View::dense(&tape.ln_f.y, n, d), head);
}

/// Logits, softmax, loss, and in place the gradient of the loss.
pub fn loss(model: &Gpt2, p: &[f32], tape: &mut Tape) {
    logits(model, p, tape);
    let (v, t, n) = (model.config().vocabulary, tape.t, tape.n());
    let rows = tape.logits[..n * v].par_chunks_exact_mut(t * v).zip(&mut tape.loss);
    let rows = rows.zip(tape.choices.par_chunks_exact(t)).zip(tape.targets.par_chunks_exact(t));
    rows.for_each(|(((logits, loss), choices), targets)| {
        let predicted = choices.iter().filter(|&&choice| choice != NONE).count();
        let share = 1.0 / predicted.max(1) as f32;
        vectorised!(for ((logits, &target), &choice) in logits.chunks_exact_mut(v).zip(targets).zip(choices) {
            if choice == NONE {
                logits.fill(0.0);
                continue;
            }
            ops::softmax(logits);
            *loss -= share * ops::log_probability(logits[target as usize]);
            for x in logits.iter_mut() {
                *x *= share;
            }
            logits[target as usize] -= share;
        });
    });
}

/// `gy = g E`
pub fn backward(model: &Gpt2, p: &[f32], tape: &mut Tape) {
    let (d, v, n) = (model.config().width, model.config().vocabulary, tape.n());
    let head = View::dense(model.layout().output().of(p), v, d);
    multiply(ViewMut::dense(&mut tape.gy_f, n, d), View::dense(&tape.logits, n, v), head);
}

/// Positions and the tied embedding matrix `E`: `|read|^2 + |head|^2 + 2 <read, head>`, where a token's
/// row of `read` is the sum of `gx` over the places that read it, and `head = g' y`, so that
/// `<read, head> = sum over i, j of g_j[token of i] (gx_i . y_j)`.
#[inline(always)]
pub fn squared_norm(model: &Gpt2, tape: &Tape, row: usize, scratch: &mut Vec<f32>) -> f64 {
    let (d, v, t) = (model.config().width, model.config().vocabulary, tape.t);
    let of = |width: usize| row * t * width..(row + 1) * t * width;
    let (y, g) = (&tape.ln_f.y[of(d)], &tape.logits[of(v)]); // t x d, t x v
    let head = product_norm((y, d), (g, v), scratch);
    if model.layout().wte.slot.is_none() {
        return head;
    }
    let (gx, tokens) = (&tape.gx[of(d)], &tape.inputs[of(1)]);
    let place =
        |x: &'_ [f32], i: usize, width: usize| f64::from(dot(&x[i * width..][..width], &x[i * width..][..width]));
    let (mut norm, mut triangle) = (head, 0f64);
    let cross = at_least(scratch, t * t); // t x t: gx_i . y_j
    multiply(ViewMut::dense(cross, t, t), View::dense(gx, t, d), View::dense(y, t, d).transposed());
    for (i, &token) in tokens.iter().enumerate() {
        let read = place(gx, i, d);
        norm += 2.0 * read; // once for the position, once for the token
        triangle += read.sqrt() + (place(g, i, v) * place(y, i, d)).sqrt();
        for j in (0..i).filter(|&j| tokens[j] == token) {
            norm += 2.0 * f64::from(dot(&gx[i * d..][..d], &gx[j * d..][..d]));
        }
        for (j, &along) in cross[i * t..(i + 1) * t].iter().enumerate() {
            norm += 2.0 * f64::from(g[j * v + token as usize]) * f64::from(along);
        }
    }
    norm + ROUNDING * triangle * triangle
}

/// Adds `g' y` to the output matrix.
pub fn add_gradient(model: &Gpt2, tape: &Tape, out: &mut [f64]) {
    let (d, v, n) = (model.config().width, model.config().vocabulary, tape.n());
    add_product_at(out, View::dense(&tape.logits, n, v), View::dense(&tape.ln_f.y, n, d));
}
