//! An affine map with what belongs to it: forward, gradient of its input, norm of a row's gradient,
//! sum of weighted gradients; the same for the low-rank update beside it.

use std::ops::Range;

use super::ghost;
use super::kernel::{View, ViewMut, multiply, multiply_add};
use super::layout::{Linear, LowRank};
use super::ops;
use super::passed::Passed;
use super::sum::{add_columns, add_product};

/// What a low-rank update keeps on the tape: `x A` on the way up.
pub type Inner = Vec<f32>;

impl LowRank {
    /// What the update is multiplied by.
    pub fn scale(&self) -> f32 {
        self.alpha as f32 / self.rank as f32
    }
}

impl Linear {
    /// Width of the inside of the update, 0 without one.
    pub fn rank(&self) -> usize {
        self.update.as_ref().map_or(0, |update| update.rank)
    }

    /// Whether gradients of the matrix or of its update are wanted.
    pub fn trained(&self) -> bool {
        self.weight.slot.is_some() || self.update.is_some()
    }

    /// `y = x W + b`; `inner` receives the inside of the update.
    pub fn forward(&self, p: &[f32], x: &[f32], y: &mut [f32], inner: &mut [f32]) {
        self.matrix(p, x, y, inner);
        ops::add_bias(y, self.bias.of(p));
    }

    /// `y = x W`: for maps whose bias is added elsewhere.
    pub fn matrix(&self, p: &[f32], x: &[f32], y: &mut [f32], inner: &mut [f32]) {
        let n = x.len() / self.inputs;
        let w = View::dense(self.weight.of(p), self.inputs, self.outputs);
        multiply(ViewMut::dense(y, n, self.outputs), View::dense(x, n, self.inputs), w);
        self.add_update(p, x, y, inner);
    }

    /// `y += x W + b`
    pub fn add(&self, p: &[f32], x: &[f32], y: &mut [f32], inner: &mut [f32]) {
        let n = x.len() / self.inputs;
        let w = View::dense(self.weight.of(p), self.inputs, self.outputs);
        multiply_add(ViewMut::dense(y, n, self.outputs), View::dense(x, n, self.inputs), w);
        self.add_update(p, x, y, inner);
        ops::add_bias(y, self.bias.of(p));
    }

    /// `inner = scale x A; y += inner B`
    fn add_update(&self, p: &[f32], x: &[f32], y: &mut [f32], inner: &mut [f32]) {
        let Some(update) = &self.update else { return };
        let (n, r) = (x.len() / self.inputs, update.rank);
        let inner = &mut inner[..n * r];
        let down = View::dense(update.down.of(p), self.inputs, r);
        multiply(ViewMut::dense(inner, n, r), View::dense(x, n, self.inputs), down);
        ops::scale(inner, update.scale());
        let up = View::dense(update.up.of(p), r, self.outputs);
        multiply_add(ViewMut::dense(y, n, self.outputs), View::dense(inner, n, r), up);
    }

    /// `gx = gy W'`; `ginner` receives the gradient of `x A`.
    pub fn back(&self, p: &[f32], gy: &[f32], gx: &mut [f32], ginner: &mut [f32]) {
        let n = gy.len() / self.outputs;
        let w = View::dense(self.weight.of(p), self.inputs, self.outputs).transposed();
        multiply(ViewMut::dense(gx, n, self.inputs), View::dense(gy, n, self.outputs), w);
        let Some(update) = &self.update else { return };
        let r = update.rank;
        let ginner = &mut ginner[..n * r];
        let up = View::dense(update.up.of(p), r, self.outputs).transposed();
        multiply(ViewMut::dense(ginner, n, r), View::dense(gy, n, self.outputs), up);
        ops::scale(ginner, update.scale());
        let down = View::dense(update.down.of(p), self.inputs, r).transposed();
        multiply_add(ViewMut::dense(gx, n, self.inputs), View::dense(ginner, n, r), down);
    }

    /// The squared norm of the gradient of the places `at`, which are one row's.
    #[inline(always)]
    pub fn squared_norm(&self, passed: Passed<'_>, at: Range<usize>, scratch: &mut Vec<f32>) -> f64 {
        let (p, q) = (self.inputs, self.outputs);
        let Passed { a, g, inner: u, ginner: gu } = passed.at(self, at);
        let mut norm = 0.0;
        if self.weight.slot.is_some() {
            norm += ghost::product_norm((a, p), (g, q), scratch) + ghost::columns_norm(g, q, scratch);
        }
        if let Some(update) = &self.update {
            let r = update.rank;
            norm += ghost::product_norm((a, p), (gu, r), scratch) + ghost::product_norm((u, r), (g, q), scratch);
        }
        norm
    }

    /// Adds the gradients of all places to the sum.
    pub fn add_gradient(&self, passed: Passed<'_>, sum: &mut [f64]) {
        let n = passed.g.len() / self.outputs;
        let (a, g) = (View::dense(passed.a, n, self.inputs), View::dense(passed.g, n, self.outputs));
        add_product(sum, &self.weight, a, g);
        add_columns(sum, &self.bias, passed.g);
        if let Some(update) = &self.update {
            let r = update.rank;
            add_product(sum, &update.down, a, View::dense(passed.ginner, n, r));
            add_product(sum, &update.up, View::dense(passed.inner, n, r), g);
        }
    }
}
