//! Causal attention of every row and head, forward and back: `context = softmax(q k' / sqrt(e)) v`.
//!
//! Letters: `b` rows of the chunk, `t` places, `n = b t`, `d` width, `h` heads, `e = d / h`. Short rows
//! go place by place; for long ones the matrix products are worth their packing.

use rayon::prelude::*;

use super::ghost::at_least;
use super::kernel::{View, ViewMut, multiply};
use super::ops::{self, add_scaled, dot, vectorised};
use super::scratch::Scratch;

/// Rows of at least this many places use matrix products.
const LONG: usize = 32;

/// Multiplications that a task of its own is worth.
const TASK: usize = 1 << 19;

/// Sizes of attention.
#[derive(Clone, Copy)]
pub struct Attention {
    /// Heads.
    pub heads: usize,
    /// Width of all heads together.
    pub width: usize,
}

impl Attention {
    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    /// Rows of a task.
    fn grain(&self, t: usize) -> usize {
        (TASK / (t * t * self.width)).max(1)
    }

    /// From `qkv` (`n x 3d`) to `weights` (`b x h x t x t`) and `context` (`n x d`), rows of `t` places.
    pub fn forward(&self, t: usize, qkv: &[f32], weights: &mut [f32], context: &mut [f32]) {
        let (d, h) = (self.width, self.heads);
        let rows = qkv.par_chunks_exact(t * 3 * d).zip(weights.par_chunks_exact_mut(h * t * t));
        rows.zip(context.par_chunks_exact_mut(t * d)).with_min_len(self.grain(t)).for_each(
            |((qkv, weights), context)| {
                for (head, weights) in weights.chunks_exact_mut(t * t).enumerate() {
                    if t < LONG {
                        vectorised!(self.head_by_place(t, head, qkv, weights, context));
                    } else {
                        self.head_by_product(t, head, qkv, weights, context);
                    }
                }
            },
        );
    }

    #[inline(always)]
    fn head_by_place(&self, t: usize, head: usize, qkv: &[f32], weights: &mut [f32], context: &mut [f32]) {
        let (d, e, scale) = (self.width, self.head_width(), self.scale());
        let part = |which: usize, i: usize| &qkv[i * 3 * d + which * d + head * e..][..e];
        for i in 0..t {
            let row = &mut weights[i * t..=i * t + i];
            for (j, w) in row.iter_mut().enumerate() {
                *w = scale * dot(part(0, i), part(1, j));
            }
            ops::softmax(row);
            let out = &mut context[i * d + head * e..][..e];
            out.fill(0.0);
            for (j, w) in row.iter().enumerate() {
                add_scaled(out, *w, part(2, j));
            }
        }
    }

    fn head_by_product(&self, t: usize, head: usize, qkv: &[f32], weights: &mut [f32], context: &mut [f32]) {
        let (d, e, scale) = (self.width, self.head_width(), self.scale());
        let part = |which: usize| View::strided(&qkv[which * d + head * e..], t, e, 3 * d); // t x e
        multiply(ViewMut::dense(weights, t, t), part(0), part(1).transposed());
        vectorised!(for (i, row) in weights.chunks_exact_mut(t).enumerate() {
            let (seen, hidden) = row.split_at_mut(i + 1);
            for w in seen.iter_mut() {
                *w *= scale;
            }
            ops::softmax(seen);
            hidden.fill(0.0);
        });
        multiply(ViewMut::strided(&mut context[head * e..], t, e, d), View::dense(weights, t, t), part(2));
    }

    /// From `gcontext` (`n x d`) to `gqkv` (`n x 3d`).
    pub fn back(&self, t: usize, (qkv, weights): (&[f32], &[f32]), gcontext: &[f32], gqkv: &mut [f32]) {
        let (d, h) = (self.width, self.heads);
        let rows = qkv.par_chunks_exact(t * 3 * d).zip(weights.par_chunks_exact(h * t * t));
        let rows = rows.zip(gcontext.par_chunks_exact(t * d)).zip(gqkv.par_chunks_exact_mut(t * 3 * d));
        rows.with_min_len(self.grain(t)).for_each_init(Scratch::new, |scratch, (((qkv, weights), gcontext), gqkv)| {
            let scratch = at_least(scratch, t * t);
            for (head, weights) in weights.chunks_exact(t * t).enumerate() {
                if t < LONG {
                    vectorised!(self.head_back_by_place((t, head), (qkv, weights), gcontext, gqkv, scratch));
                } else {
                    self.head_back_by_product((t, head), (qkv, weights), gcontext, gqkv, scratch);
                }
            }
        });
    }

    #[inline(always)]
    fn head_back_by_place(
        &self,
        (t, head): (usize, usize),
        (qkv, weights): (&[f32], &[f32]),
        gcontext: &[f32],
        gqkv: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (d, e, scale) = (self.width, self.head_width(), self.scale());
        let at = |which: usize, i: usize| i * 3 * d + which * d + head * e;
        for i in 0..t {
            (0..3).for_each(|which| gqkv[at(which, i)..][..e].fill(0.0));
            let weights = &weights[i * t..=i * t + i];
            let g = &gcontext[i * d + head * e..][..e];
            let gweights = &mut scratch[..=i];
            for (j, gw) in gweights.iter_mut().enumerate() {
                *gw = dot(g, &qkv[at(2, j)..][..e]);
            }
            let mean = dot(weights, gweights);
            for (j, w) in weights.iter().enumerate() {
                let gscore = w * (gweights[j] - mean) * scale;
                add_scaled(&mut gqkv[at(2, j)..][..e], *w, g);
                add_scaled(&mut gqkv[at(0, i)..][..e], gscore, &qkv[at(1, j)..][..e]);
                add_scaled(&mut gqkv[at(1, j)..][..e], gscore, &qkv[at(0, i)..][..e]);
            }
        }
    }

    fn head_back_by_product(
        &self,
        (t, head): (usize, usize),
        (qkv, weights): (&[f32], &[f32]),
        gcontext: &[f32],
        gqkv: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (d, e, scale) = (self.width, self.head_width(), self.scale());
        let at = |which: usize| which * d + head * e;
        let part = |which: usize| View::strided(&qkv[at(which)..], t, e, 3 * d); // t x e
        let g = View::strided(&gcontext[head * e..], t, e, d); // t x e
        multiply(ViewMut::dense(scratch, t, t), g, part(2).transposed());
        let w = View::dense(weights, t, t);
        multiply(ViewMut::strided(&mut gqkv[at(2)..], t, e, 3 * d), w.transposed(), g);
        vectorised!(for (g, w) in scratch.chunks_exact_mut(t).zip(weights.chunks_exact(t)) {
            let mean = dot(g, w);
            for (g, w) in g.iter_mut().zip(w) {
                *g = w * (*g - mean) * scale;
            }
        });
        let gscores = View::dense(scratch, t, t);
        multiply(ViewMut::strided(&mut gqkv[at(0)..], t, e, 3 * d), gscores, part(1));
        multiply(ViewMut::strided(&mut gqkv[at(1)..], t, e, 3 * d), gscores.transposed(), part(0));
    }
}
