//! Attention of single tokens to the places of their rows so far, whose keys and values are kept.
//!
//! Keys lie place after place for each coordinate, so that scores of neighbouring places are computed side
//! by side and nothing is added up across a vector; values lie coordinate after coordinate for each place.

use rayon::prelude::*;

use super::ops::{self, vectorised};

/// Multiplications that a task of its own is worth.
const TASK: usize = 1 << 19;

/// Places whose scores are computed side by side.
const SIDE: usize = 32;

/// Coordinates of a value that are added up side by side.
const LANES: usize = 16;

/// The keys and values of one block, of some rows.
pub struct Past {
    /// `rows x heads x e x t`, `t` rounded up to whole sides.
    keys: Vec<f32>,
    /// `rows x heads x t x e`
    values: Vec<f32>,
    heads: usize,
    /// Width of a head.
    e: usize,
    /// Places, rounded up.
    t: usize,
}

impl Past {
    /// Room for rows of at most `longest` places, of `width` in so many heads.
    pub fn new(rows: usize, longest: usize, (width, heads): (usize, usize)) -> Self {
        let t = longest.next_multiple_of(SIDE);
        let zeros = || vec![0f32; rows * width * t];
        Self { keys: zeros(), values: zeros(), heads, e: width / heads, t }
    }

    /// Numbers a row of what [`Past::new`] makes.
    pub fn numbers(longest: usize, width: usize) -> usize {
        2 * width * longest.next_multiple_of(SIDE)
    }

    /// Keeps the key and the value (`2d`) of a place.
    pub fn keep(&mut self, row: usize, place: usize, key_value: &[f32]) {
        let (e, t) = (self.e, self.t);
        let (key, value) = key_value.split_at(self.heads * e);
        let at = row * self.heads * e * t;
        for (i, &x) in key.iter().enumerate() {
            self.keys[at + i * t + place] = x;
        }
        for (head, value) in value.chunks_exact(e).enumerate() {
            self.values[at + (head * t + place) * e..][..e].copy_from_slice(value);
        }
    }

    /// For each token, at `(row, place)` of `at`, the context (`n x d`) of its query, which is the first
    /// third of its part of `qkv` (`n x 3d`), among the places of its row up to its own.
    pub fn recall(&self, qkv: &[f32], at: &[(usize, usize)], context: &mut [f32]) {
        let (d, t) = (self.heads * self.e, self.t);
        let tokens = at.par_iter().zip(qkv.par_chunks_exact(3 * d)).zip(context.par_chunks_exact_mut(d));
        let grain = (TASK / (t * d)).max(1);
        tokens.with_min_len(grain).for_each_init(Vec::new, |weights, ((&(row, place), qkv), context)| {
            weights.resize(t, 0f32);
            let past = (&self.keys[row * d * t..][..d * t], &self.values[row * d * t..][..d * t]);
            vectorised!(self.one(&qkv[..d], past, (weights, place + 1), context));
        });
    }

    #[inline(always)]
    fn one(
        &self,
        query: &[f32],
        (keys, values): (&[f32], &[f32]),
        (weights, places): (&mut [f32], usize),
        context: &mut [f32],
    ) {
        let (e, t) = (self.e, self.t);
        let scale = 1.0 / (e as f32).sqrt();
        for head in 0..self.heads {
            let (query, part) = (&query[head * e..][..e], head * e * t..(head + 1) * e * t);
            scores(query, &keys[part.clone()], t, (weights, places));
            let weights = &mut weights[..places];
            for w in weights.iter_mut() {
                *w *= scale;
            }
            ops::softmax(weights);
            mean(weights, &values[part], &mut context[head * e..][..e]);
        }
    }
}

/// `query . key` of the first places, and of those that fill up the last side.
#[inline(always)]
fn scores(query: &[f32], keys: &[f32], t: usize, (out, places): (&mut [f32], usize)) {
    for (side, out) in out[..places.next_multiple_of(SIDE)].as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let mut sums = [0f32; SIDE];
        for (q, keys) in query.iter().zip(keys.chunks_exact(t)) {
            let keys = &keys.as_chunks::<SIDE>().0[side];
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum = q.mul_add(*key, *sum);
            }
        }
        *out = sums;
    }
}

/// `sum of weight * value` over the places, of `out.len()` coordinates each.
#[inline(always)]
fn mean(weights: &[f32], values: &[f32], out: &mut [f32]) {
    let e = out.len();
    let (outs, rest) = out.as_chunks_mut::<LANES>();
    for (lane, out) in outs.iter_mut().enumerate() {
        *out = lanes_mean(weights, &values[lane * LANES..], e);
    }
    let first = e - rest.len();
    for (i, out) in rest.iter_mut().enumerate() {
        *out = weights.iter().zip(values.chunks(e)).map(|(w, value)| w * value[first + i]).sum();
    }
}

/// The same of the first coordinates of each place; places are `e` apart. The sums are plain variables, which
/// stay in registers.
#[inline(always)]
fn lanes_mean(weights: &[f32], values: &[f32], e: usize) -> [f32; LANES] {
    let value = |i: usize| values[i * e..].first_chunk::<LANES>().unwrap_or(&[0.0; LANES]);
    let (mut a, mut b) = ([0f32; LANES], [0f32; LANES]);
    let (mut c, mut d) = ([0f32; LANES], [0f32; LANES]);
    let (groups, rest) = weights.as_chunks::<4>();
    for (i, w) in groups.iter().enumerate() {
        let (p, q, r, s) = (value(4 * i), value(4 * i + 1), value(4 * i + 2), value(4 * i + 3));
        for k in 0..LANES {
            a[k] = w[0].mul_add(p[k], a[k]);
            b[k] = w[1].mul_add(q[k], b[k]);
            c[k] = w[2].mul_add(r[k], c[k]);
            d[k] = w[3].mul_add(s[k], d[k]);
        }
    }
    for (i, w) in rest.iter().enumerate() {
        let p = value(4 * groups.len() + i);
        for k in 0..LANES {
            a[k] = w.mul_add(p[k], a[k]);
        }
    }
    for k in 0..LANES {
        a[k] += b[k] + (c[k] + d[k]);
    }
    a
}
