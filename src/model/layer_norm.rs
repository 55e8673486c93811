//! A layer norm with what belongs to it: forward, gradient of its input, norm of a row's gradient,
//! sum of weighted gradients.

use std::ops::Range;

use super::ghost::at_least;
use super::layout::Norm;
use super::ops::{self, Normed, column_dots, column_sums, dot};
use super::sum::{add_column_dots, add_columns};

/// What a layer norm leaves on the tape, for up to `n` places.
pub struct NormTape {
    /// Normalised rows, `n x d`.
    pub unit: Vec<f32>,
    /// 1 / standard deviation, `n`.
    pub inverse: Vec<f32>,
    /// Output, `n x d`.
    pub y: Vec<f32>,
}

impl NormTape {
    /// Buffers for `n` places of `d`.
    pub fn new(n: usize, d: usize) -> Self {
        Self { unit: vec![0.0; n * d], inverse: vec![0.0; n], y: vec![0.0; n * d] }
    }

    /// Numbers a place of what [`NormTape::new`] makes.
    pub fn numbers(d: usize) -> usize {
        2 * d + 1
    }

    /// Every buffer.
    pub fn buffers(&mut self) -> [&mut Vec<f32>; 3] {
        [&mut self.unit, &mut self.inverse, &mut self.y]
    }
}

impl Norm {
    fn width(&self) -> usize {
        self.bias.range.len()
    }

    /// `y = norm(x)`, for the places of `x`.
    pub fn forward(&self, p: &[f32], x: &[f32], k: &mut NormTape) {
        let (l, n) = (x.len(), x.len() / self.width());
        let kept = Normed { unit: &mut k.unit[..l], inverse: &mut k.inverse[..n] };
        ops::layer_norm(x, self.weight.of(p), self.bias.of(p), kept, &mut k.y[..l]);
    }

    /// `gx += norm'(gy)`
    pub fn back(&self, p: &[f32], k: &NormTape, gy: &[f32], gx: &mut [f32]) {
        let (l, n) = (gx.len(), gx.len() / self.width());
        ops::layer_norm_back(&gy[..l], self.weight.of(p), &k.unit[..l], &k.inverse[..n], gx);
    }

    /// The squared norm of the gradient of the places `at`, which are one row's.
    #[inline(always)]
    pub fn squared_norm(&self, k: &NormTape, gy: &[f32], at: Range<usize>, scratch: &mut Vec<f32>) -> f64 {
        if self.weight.slot.is_none() {
            return 0.0;
        }
        let d = self.width();
        let (unit, gy) = (&k.unit[at.start * d..at.end * d], &gy[at.start * d..at.end * d]);
        let (gain, bias) = at_least(scratch, 2 * d).split_at_mut(d);
        gain.fill(0.0);
        bias.fill(0.0);
        column_dots(gy, unit, gain);
        column_sums(gy, bias);
        f64::from(dot(gain, gain)) + f64::from(dot(bias, bias))
    }

    /// Adds the gradients of all places of `gy` to the sum.
    pub fn add_gradient(&self, k: &NormTape, gy: &[f32], sum: &mut [f64]) {
        add_column_dots(sum, &self.weight, gy, &k.unit[..gy.len()]);
        add_columns(sum, &self.bias, gy);
    }
}
