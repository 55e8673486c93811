//! Causal attention of every row and head: `context = softmax(q k' / sqrt(e)) v`.

use candle_core::{D, Device, Result, Tensor};

use super::arithmetic::Precision;

/// Sizes of a chunk's attention.
#[derive(Clone, Copy)]
pub struct Attention {
    /// Rows.
    pub b: usize,
    /// Places of each.
    pub t: usize,
    /// Heads.
    pub h: usize,
    /// Width of all heads together.
    pub d: usize,
    /// Of the products.
    pub precision: Precision,
}

/// What attention keeps: queries, keys and values, `b x h x t x e` each, and weights, `b x h x t x t`.
pub struct Attended {
    q: Tensor,
    k: Tensor,
    v: Tensor,
    weights: Tensor,
}

/// 0 where place `i` may look at place `j`, minus infinity where it may not, `t x t`.
pub fn causal(t: usize, device: &Device) -> Result<Tensor> {
    let cell = |at: usize| if at % t > at / t { f32::NEG_INFINITY } else { 0.0 };
    let cells: Vec<f32> = (0..t * t).map(cell).collect();
    Tensor::from_vec(cells, (t, t), device)
}

impl Attention {
    fn scale(&self) -> f64 {
        1.0 / ((self.d / self.h) as f64).sqrt()
    }

    /// From `qkv` (`n x 3d`) to the context (`n x d`).
    pub fn forward(&self, qkv: &Tensor, causal: &Tensor) -> Result<(Tensor, Attended)> {
        let part = |which: usize| self.heads(&qkv.narrow(1, which * self.d, self.d)?);
        let (q, k, v) = (part(0)?, part(1)?, part(2)?); // b x h x t x e
        let scores = (self.precision.product(&q, &k.t()?)? * self.scale())?; // b x h x t x t
        let scores = scores.broadcast_add(causal)?;
        let powers = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
        let weights = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
        let context = self.places(&self.precision.product(&weights, &v)?)?; // n x d
        Ok((context, Attended { q, k, v, weights }))
    }

    /// From the gradient of the context (`n x d`) to that of `qkv` (`n x 3d`).
    pub fn back(&self, a: &Attended, gcontext: &Tensor) -> Result<Tensor> {
        let g = self.heads(gcontext)?; // b x h x t x e
        let gv = self.precision.product(&a.weights.t()?.contiguous()?, &g)?;
        let gweights = self.precision.product(&g, &a.v.t()?)?; // b x h x t x t
        let mean = (&gweights * &a.weights)?.sum_keepdim(D::Minus1)?;
        let gscores = ((gweights.broadcast_sub(&mean)? * &a.weights)? * self.scale())?;
        let gq = self.precision.product(&gscores, &a.k)?;
        let gk = self.precision.product(&gscores.t()?.contiguous()?, &a.q)?;
        Tensor::cat(&[self.places(&gq)?, self.places(&gk)?, self.places(&gv)?], 1)
    }

    /// `b x h x t x e` of `n x d`.
    fn heads(&self, x: &Tensor) -> Result<Tensor> {
        x.reshape((self.b, self.t, self.h, self.d / self.h))?.transpose(1, 2)?.contiguous()
    }

    /// `n x d` of `b x h x t x e`.
    fn places(&self, x: &Tensor) -> Result<Tensor> {
        x.transpose(1, 2)?.reshape((self.b * self.t, self.d))
    }
}
