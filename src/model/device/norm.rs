//! A layer norm: forward, gradient of its input, norms of rows, sum of gradients.

use candle_core::{D, Result, Tensor};

use super::parameters::Parameters;
use super::sums::{Factors, Norms, Sums, scaled};
use crate::model::layout::Norm;
use crate::model::ops::NORM_EPSILON;

/// What a layer norm keeps.
pub struct Normed {
    /// Normalised places, `n x d`.
    unit: Tensor,
    /// 1 / standard deviation, `n x 1`.
    inverse: Tensor,
    /// Output, `n x d`.
    pub y: Tensor,
}

/// `norm(x)` of every place.
pub fn forward(l: &Norm, p: &Parameters, x: &Tensor) -> Result<Normed> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let inverse = (variance + f64::from(NORM_EPSILON))?.sqrt()?.recip()?; // n x 1
    let unit = centred.broadcast_mul(&inverse)?; // n x d
    let y = unit.broadcast_mul(&p.vector(&l.weight)?)?.broadcast_add(&p.vector(&l.bias)?)?; // n x d
    Ok(Normed { unit, inverse, y })
}

/// The gradient of the input, from that of the output.
pub fn back(l: &Norm, p: &Parameters, k: &Normed, gy: &Tensor) -> Result<Tensor> {
    let gunit = gy.broadcast_mul(&p.vector(&l.weight)?)?; // n x d
    let along = (&gunit * &k.unit)?.mean_keepdim(D::Minus1)?; // n x 1
    let rest = gunit.broadcast_sub(&gunit.mean_keepdim(D::Minus1)?)?;
    (rest - k.unit.broadcast_mul(&along)?)?.broadcast_mul(&k.inverse)
}

/// Adds the squared norms of the rows' gradients.
pub fn add_norms(l: &Norm, k: &Normed, gy: &Tensor, norms: &mut Norms) -> Result<()> {
    if l.weight.slot.is_none() {
        return Ok(());
    }
    norms.add_columns(&(gy * &k.unit)?)?;
    norms.add_columns(gy)
}

/// Adds the rows' gradients, each counted its factor times.
pub fn add_gradient(l: &Norm, k: &Normed, gy: &Tensor, factors: &Factors, sums: &mut Sums) -> Result<()> {
    if l.weight.slot.is_none() {
        return Ok(());
    }
    let gy = scaled(gy, factors)?;
    sums.add(&l.weight, &(&gy * factors.clear(&k.unit)?)?.sum(0)?)?;
    sums.add(&l.bias, &gy.sum(0)?)
}
