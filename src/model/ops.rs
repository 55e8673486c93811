//! Elementwise work and small reductions, compiled for the widest vectors the machine has.
//!
//! The crate is built for plain x86-64. `pulp` picks AVX2 or AVX-512 at run time; a body must be
//! inlined into the closure handed to it to be compiled for that choice, hence the attributes.

use rayon::prelude::*;

/// Added to the variance in a layer norm.
pub const NORM_EPSILON: f32 = 1e-5;

const LANES: usize = 16;

/// Runs a closure compiled for the machine's vectors.
///
/// The closure uses up a token that cannot be copied, so it can be called once only. A closure that
/// could be called again would be reached through a shim that is compiled for plain x86-64.
macro_rules! vectorised {
    ($body:expr) => {{
        let once = $crate::model::Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let _used_up = once;
                $body
            },
        )
    }};
}

/// See [`vectorised`].
pub struct Once;
pub(crate) use vectorised;

/// `exp(x)`, relative error below 1e-6 for `|x| < 87`, clamped outside, and free of branches and
/// calls so that loops over it vectorise (the standard library's is a call). Range reduction
/// `x = n ln 2 + r` and a degree-6 polynomial, after Cephes' `expf`.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// Adding 1.5 * 2^23 rounds to an integer, which then sits in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4 * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Inner product with a fixed order of additions.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (a_full, a_rest) = a.as_chunks::<LANES>();
    let (b_full, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_full.iter().zip(b_full) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    tree(lanes) + rest
}

/// `sum of a b c` with a fixed order of additions.
#[inline(always)]
fn dot_of_three(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (full, rest) = a.as_chunks::<LANES>();
    let (b, c) = (&b[..a.len()], &c[..a.len()]);
    for (i, x) in full.iter().enumerate() {
        let (y, z) = (&b[i * LANES..(i + 1) * LANES], &c[i * LANES..(i + 1) * LANES]);
        for (lane, ((x, y), z)) in lanes.iter_mut().zip(x.iter().zip(y).zip(z)) {
            *lane += x * y * z;
        }
    }
    let done = a.len() - rest.len();
    tree(lanes) + rest.iter().zip(&b[done..]).zip(&c[done..]).map(|((x, y), z)| x * y * z).sum::<f32>()
}

/// Largest element.
#[inline(always)]
fn largest(a: &[f32]) -> f32 {
    let mut lanes = [f32::MIN; LANES];
    let (full, rest) = a.as_chunks::<LANES>();
    for x in full {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane = lane.max(*x);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::MIN, f32::max)
}

/// Sum with a fixed order of additions.
#[inline(always)]
pub fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (full, rest) = a.as_chunks::<LANES>();
    for x in full {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane += x;
        }
    }
    tree(lanes) + rest.iter().sum::<f32>()
}

#[inline(always)]
fn tree(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// `y += s x`.
#[inline(always)]
pub fn add_scaled(y: &mut [f32], s: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += s * x;
    }
}

/// Replaces scores by their softmax.
#[inline(always)]
pub fn softmax(scores: &mut [f32]) {
    let top = largest(scores);
    for x in scores.iter_mut() {
        *x = exp(*x - top);
    }
    let scale = 1.0 / sum(scores);
    for x in scores.iter_mut() {
        *x *= scale;
    }
}

/// `ln(p)`, at least that of the smallest normal number; not a number where `p` is none.
#[inline(always)]
pub fn log_probability(p: f32) -> f32 {
    if p < f32::MIN_POSITIVE { f32::MIN_POSITIVE.ln() } else { p.ln() }
}

/// Adds a bias to every row of `y`.
pub fn add_bias(y: &mut [f32], bias: &[f32]) {
    let width = bias.len();
    y.par_chunks_mut(rows_a_task(width) * width).for_each(|y| {
        vectorised!(for row in y.chunks_exact_mut(width) {
            add_scaled(row, 1.0, bias);
        });
    });
}

/// `out += ` the rows of `x`, summed.
#[inline(always)]
pub fn column_sums(x: &[f32], out: &mut [f32]) {
    for row in x.chunks_exact(out.len()) {
        add_scaled(out, 1.0, row);
    }
}

/// `out += ` the rows of `x * y`, summed.
#[inline(always)]
pub fn column_dots(x: &[f32], y: &[f32], out: &mut [f32]) {
    let width = out.len();
    for (x, y) in x.chunks_exact(width).zip(y.chunks_exact(width)) {
        for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
            *out += x * y;
        }
    }
}

/// Rows of `width` that one task works on: enough for a task to be worth handing out.
fn rows_a_task(width: usize) -> usize {
    (1 << 16) / width.clamp(1, 1 << 16)
}

/// What a layer norm keeps for its backward pass: the normalised rows and 1 / standard deviation.
pub struct Normed<'a> {
    /// `n x d`
    pub unit: &'a mut [f32],
    /// `n`
    pub inverse: &'a mut [f32],
}

/// `y = unit * gain + bias`, where `unit` is `x` with mean 0 and variance 1 in every row.
pub fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], kept: Normed<'_>, y: &mut [f32]) {
    let d = gain.len();
    let rows = rows_a_task(d);
    let parts = x.par_chunks(rows * d).zip(kept.unit.par_chunks_mut(rows * d));
    parts.zip(kept.inverse.par_chunks_mut(rows)).zip(y.par_chunks_mut(rows * d)).for_each(
        |(((x, unit), inverse), y)| {
            let rows = x.chunks_exact(d).zip(unit.chunks_exact_mut(d)).zip(inverse).zip(y.chunks_exact_mut(d));
            vectorised!(for (((x, unit), inverse), y) in rows {
                let mean = sum(x) / d as f32;
                for (u, x) in unit.iter_mut().zip(x) {
                    *u = x - mean;
                }
                *inverse = 1.0 / (dot(unit, unit) / d as f32 + NORM_EPSILON).sqrt();
                for (((u, y), g), b) in unit.iter_mut().zip(y).zip(gain).zip(bias) {
                    *u *= *inverse;
                    *y = *u * g + b;
                }
            });
        },
    );
}

/// `dx += ` the gradient of a layer norm with output gradient `dy`.
pub fn layer_norm_back(dy: &[f32], gain: &[f32], unit: &[f32], inverse: &[f32], dx: &mut [f32]) {
    let d = gain.len();
    let rows = rows_a_task(d);
    let parts = dy.par_chunks(rows * d).zip(unit.par_chunks(rows * d));
    parts.zip(inverse.par_chunks(rows)).zip(dx.par_chunks_mut(rows * d)).for_each(|(((dy, unit), inverse), dx)| {
        let rows = dy.chunks_exact(d).zip(unit.chunks_exact(d)).zip(inverse).zip(dx.chunks_exact_mut(d));
        vectorised!(for (((dy, unit), inverse), dx) in rows {
            let mean = dot(dy, gain) / d as f32;
            let along = dot_of_three(dy, gain, unit) / d as f32;
            for (((dx, dy), g), u) in dx.iter_mut().zip(dy).zip(gain).zip(unit) {
                *dx += inverse * (dy * g - mean - u * along);
            }
        });
    });
}

/// GPT-2's gelu (tanh form) of `x + bias`: writes `x + bias` back to `x` and the result to `y`.
pub fn gelu(x: &mut [f32], bias: &[f32], y: &mut [f32]) {
    let width = bias.len();
    let block = rows_a_task(width) * width;
    x.par_chunks_mut(block).zip(y.par_chunks_mut(block)).for_each(|(x, y)| {
        vectorised!(for (x, y) in x.chunks_exact_mut(width).zip(y.chunks_exact_mut(width)) {
            for ((x, y), b) in x.iter_mut().zip(y).zip(bias) {
                *x += b;
                *y = *x * gate(*x);
            }
        });
    });
}

/// `dy *= gelu'(x)`.
pub fn gelu_back(x: &[f32], dy: &mut [f32]) {
    x.par_chunks(1 << 16).zip(dy.par_chunks_mut(1 << 16)).for_each(|(x, dy)| {
        vectorised!(for (x, dy) in x.iter().zip(dy) {
            let s = gate(*x);
            *dy *= s + x * s * (1.0 - s) * 2.0 * GELU_SLOPE * (1.0 + 3.0 * GELU_CUBE * x * x);
        });
    });
}

const GELU_SLOPE: f32 = 0.797_884_6; // sqrt(2 / pi)
const GELU_CUBE: f32 = 0.044_715;

/// `(1 + tanh(u)) / 2` with `u = sqrt(2/pi) (x + 0.044715 x^3)`, as a logistic function of `2u`.
#[inline(always)]
fn gate(x: f32) -> f32 {
    1.0 / (1.0 + exp(-2.0 * GELU_SLOPE * (x + GELU_CUBE * x * x * x)))
}

/// `x *= s`
pub fn scale(x: &mut [f32], s: f32) {
    x.par_chunks_mut(1 << 16).for_each(|x| {
        vectorised!(for x in x {
            *x *= s;
        });
    });
}

/// `x *= factor`, row by row of equal length. A row with factor 0 becomes 0 whatever it was.
pub fn scale_rows(x: &mut [f32], factors: &[f32]) {
    let width = x.len() / factors.len().max(1);
    if width == 0 {
        return;
    }
    let rows = rows_a_task(width).max(1);
    x.par_chunks_mut(rows * width).zip(factors.par_chunks(rows)).for_each(|(x, factors)| {
        vectorised!(for (row, &factor) in x.chunks_exact_mut(width).zip(factors) {
            if factor == 0.0 {
                row.fill(0.0);
            } else if factor != 1.0 {
                for x in row {
                    *x *= factor;
                }
            }
        });
    });
}

/// `y += x`
pub fn add(y: &mut [f32], x: &[f32]) {
    y.par_chunks_mut(1 << 16).zip(x.par_chunks(1 << 16)).for_each(|(y, x)| {
        vectorised!(add_scaled(y, 1.0, x));
    });
}
