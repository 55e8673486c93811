//! Heads over the few tokens that grammar allows: `n x widest` logits, of which a place uses the first
//! ones. Inner products token by token: what is computed for one row does not depend on the others,
//! and a row of text has only tens of choices of tens of tokens.

use rayon::prelude::*;

use super::NONE;
use crate::model::ghost::{ROUNDING, at_least};
use crate::model::gpt2::Gpt2;
use crate::model::ops::{self, add_scaled, dot, vectorised};
use crate::model::tape::Tape;

type Sets = [Vec<u32>];

/// Tokens of the largest set.
pub fn widest(sets: &Sets) -> usize {
    sets.iter().map(Vec::len).max().unwrap_or_default()
}

fn row(matrix: &[f32], i: usize, d: usize) -> &[f32] {
    &matrix[i * d..(i + 1) * d]
}

/// Logits within each place's set, softmax, loss, and in place the gradient of the loss.
pub fn loss(model: &Gpt2, (sets, share): (&Sets, f32), p: &[f32], tape: &mut Tape) {
    let (d, t, w) = (model.config().width, tape.t, widest(sets));
    let head = model.layout().output().of(p);
    let rows = tape.logits.par_chunks_exact_mut(t * w).zip(&mut tape.loss[..tape.rows]);
    let rows = rows.zip(tape.choices.par_chunks_exact(t)).zip(tape.targets.par_chunks_exact(t));
    rows.zip(tape.ln_f.y.par_chunks_exact(t * d)).for_each(|((((logits, loss), choices), targets), y)| {
        vectorised!(for (i, logits) in logits.chunks_exact_mut(w).enumerate() {
            let Some(set) = sets.get(choices[i] as usize) else { continue };
            let logits = &mut logits[..set.len()];
            for (x, &token) in logits.iter_mut().zip(set) {
                *x = dot(row(y, i, d), row(head, token as usize, d));
            }
            ops::softmax(logits);
            // A target outside its set would be a fault of the grammar; it then teaches nothing.
            let Ok(target) = set.binary_search(&targets[i]) else {
                logits.fill(0.0);
                continue;
            };
            *loss -= share * ops::log_probability(logits[target]);
            for x in logits.iter_mut() {
                *x *= share;
            }
            logits[target] -= share;
        });
    });
}

/// `gy = g E`, over each place's set.
pub fn backward(model: &Gpt2, sets: &Sets, p: &[f32], tape: &mut Tape) {
    let (d, w, n) = (model.config().width, widest(sets), tape.n());
    let head = model.layout().output().of(p);
    let places = tape.gy_f[..n * d].par_chunks_exact_mut(d).zip(tape.logits.par_chunks_exact(w));
    places.zip(&tape.choices[..n]).with_min_len(64).for_each(|((gy, logits), &choice)| {
        vectorised!({
            gy.fill(0.0);
            for (&g, &token) in logits.iter().zip(sets.get(choice as usize).into_iter().flatten()) {
                add_scaled(gy, g, row(head, token as usize, d));
            }
        });
    });
}

/// Positions and the tied embedding matrix, whose gradient is formed row by row: a token's is the sum
/// of `g y` over the places that could write it and of `gx` over those that read it.
#[inline(always)]
pub fn squared_norm(model: &Gpt2, sets: &Sets, tape: &Tape, of: usize, scratch: &mut Vec<f32>) -> f64 {
    let (d, t, w) = (model.config().width, tape.t, widest(sets));
    let reads = model.layout().wte.slot.is_some();
    let places = of * t..(of + 1) * t;
    // (token, factor, place, whether it was read there)
    let mut terms: Vec<(u32, f32, usize, bool)> = Vec::new();
    let (mut norm, mut triangle) = (0f64, 0f64);
    for i in places.filter(|&i| reads || tape.choices[i] != NONE) {
        let (y, gx) = (row(&tape.ln_f.y, i, d), row(&tape.gx, i, d));
        if let Some(set) = sets.get(tape.choices[i] as usize) {
            let g = &tape.logits[i * w..][..set.len()];
            terms.extend(set.iter().zip(g).map(|(&token, &g)| (token, g, i, false)));
            triangle += (f64::from(dot(g, g)) * f64::from(dot(y, y))).sqrt();
        }
        if reads {
            let read = f64::from(dot(gx, gx));
            norm += read;
            triangle += read.sqrt();
            terms.push((tape.inputs[i], 1.0, i, true));
        }
    }
    terms.sort_unstable_by_key(|&(token, _, place, read)| (token, place, read));
    let formed = at_least(scratch, d);
    for terms in terms.chunk_by(|a, b| a.0 == b.0) {
        formed.fill(0.0);
        for &(_, factor, place, read) in terms {
            add_scaled(formed, factor, row(if read { &tape.gx } else { &tape.ln_f.y }, place, d));
        }
        norm += f64::from(dot(formed, formed));
    }
    norm + ROUNDING * triangle * triangle
}

/// Adds `g' y` to the output matrix.
pub fn add_gradient(model: &Gpt2, sets: &Sets, tape: &Tape, out: &mut [f64]) {
    let (d, w) = (model.config().width, widest(sets));
    for (i, &choice) in tape.choices[..tape.n()].iter().enumerate() {
        let Some(set) = sets.get(choice as usize) else { continue };
        let y = row(&tape.ln_f.y, i, d);
        for (&token, &g) in set.iter().zip(&tape.logits[i * w..]) {
            let out = &mut out[token as usize * d..(token as usize + 1) * d];
            vectorised!(out.iter_mut().zip(y).for_each(|(sum, &y)| *sum += f64::from(g * y)));
        }
    }
}
