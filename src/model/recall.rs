//! Attention of single tokens to the places of their rows so far, whose keys and values are kept.

use rayon::prelude::*;

use super::ops::{self, add_scaled, dot, vectorised};

/// Multiplications that a task of its own is worth.
const TASK: usize = 1 << 19;

/// For each token, at `(row, place)` of `at`, the context (`n x d`) of its query, which is the first third
/// of its part of `qkv` (`n x 3d`), among the kept keys and values (`rows x t x 2d`) of its row.
pub fn recall((heads, t): (usize, usize), qkv: &[f32], past: &[f32], (at, context): (&[(usize, usize)], &mut [f32])) {
    let d = context.len() / at.len().max(1);
    if d == 0 {
        return;
    }
    let grain = (TASK / (t * d)).max(1);
    let tokens = at.par_iter().zip(qkv.par_chunks_exact(3 * d)).zip(context.par_chunks_exact_mut(d));
    tokens.with_min_len(grain).for_each_init(Vec::new, |weights, ((&(row, place), qkv), context)| {
        weights.resize(place + 1, 0f32);
        let past = &past[row * t * 2 * d..][..(place + 1) * 2 * d];
        vectorised!(one(heads, (&qkv[..d], past), weights, context));
    });
}

#[inline(always)]
fn one(heads: usize, (query, past): (&[f32], &[f32]), weights: &mut [f32], context: &mut [f32]) {
    let (d, e) = (query.len(), query.len() / heads);
    let scale = 1.0 / (e as f32).sqrt();
    context.fill(0.0);
    for head in 0..heads {
        let at = head * e..(head + 1) * e;
        for (w, place) in weights.iter_mut().zip(past.chunks_exact(2 * d)) {
            *w = scale * dot(&query[at.clone()], &place[at.clone()]);
        }
        ops::softmax(weights);
        let out = &mut context[at.clone()];
        for (w, place) in weights.iter().zip(past.chunks_exact(2 * d)) {
            add_scaled(out, *w, &place[d..][at.clone()]);
        }
    }
}
