//! An affine map and the low-rank update beside it: forward, gradient of its input, norms of rows, sum of
//! gradients.

use candle_core::{Result, Tensor};

use super::arithmetic::Precision;
use super::parameters::Parameters;
use super::sums::{Factors, Norms, Sums, scaled};
use crate::model::layout::Linear;

/// What passed through a map on the way up: its input (`n x p`) and the inside of its update (`n x r`).
pub struct Up {
    a: Tensor,
    inner: Option<Tensor>,
}

/// What came back: the gradients of its output (`n x q`) and of the inside of its update (`n x r`).
pub struct Down {
    g: Tensor,
    ginner: Option<Tensor>,
}

/// `x W + b`, and what must be kept.
pub fn forward(l: &Linear, p: &Parameters, x: Tensor, precision: Precision) -> Result<(Tensor, Up)> {
    let mut y = precision.product(&x, &p.matrix(&l.weight, l.outputs)?)?; // n x q
    let mut inner = None;
    if let Some(update) = &l.update {
        let inside = precision.product(&x, &p.matrix(&update.down, update.rank)?)?; // n x r
        let inside = (inside * f64::from(update.scale()))?;
        y = (y + precision.product(&inside, &p.matrix(&update.up, l.outputs)?)?)?;
        inner = Some(inside);
    }
    Ok((y.broadcast_add(&p.vector(&l.bias)?)?, Up { a: x, inner }))
}

/// The gradient of the input, and what must be kept.
pub fn back(l: &Linear, p: &Parameters, g: Tensor, precision: Precision) -> Result<(Tensor, Down)> {
    let mut gx = precision.product(&g, &p.matrix(&l.weight, l.outputs)?.t()?)?; // n x p
    let mut ginner = None;
    if let Some(update) = &l.update {
        let inside = precision.product(&g, &p.matrix(&update.up, l.outputs)?.t()?)?; // n x r
        let inside = (inside * f64::from(update.scale()))?;
        gx = (gx + precision.product(&inside, &p.matrix(&update.down, update.rank)?.t()?)?)?;
        ginner = Some(inside);
    }
    Ok((gx, Down { g, ginner }))
}

/// Adds the squared norms of the rows' gradients.
pub fn add_norms(l: &Linear, (up, down): (&Up, &Down), norms: &mut Norms) -> Result<()> {
    if l.weight.slot.is_some() {
        norms.add_product(&up.a, &down.g)?;
        norms.add_columns(&down.g)?;
    }
    if let (Some(inner), Some(ginner)) = (&up.inner, &down.ginner) {
        norms.add_product(&up.a, ginner)?;
        norms.add_product(inner, &down.g)?;
    }
    Ok(())
}

/// Adds the rows' gradients, each counted its factor times.
pub fn add_gradient(l: &Linear, (up, down): (&Up, &Down), factors: &Factors, sums: &mut Sums) -> Result<()> {
    if !l.trained() {
        return Ok(());
    }
    let (a, g) = (factors.clear(&up.a)?.t()?, scaled(&down.g, factors)?); // p x n, n x q
    if l.weight.slot.is_some() {
        sums.add(&l.weight, &a.matmul(&g)?)?;
        sums.add(&l.bias, &g.sum(0)?)?;
    }
    if let (Some(update), Some(inner), Some(ginner)) = (&l.update, &up.inner, &down.ginner) {
        sums.add(&update.down, &a.matmul(&scaled(ginner, factors)?)?)?;
        sums.add(&update.up, &factors.clear(inner)?.t()?.matmul(&g)?)?;
    }
    Ok(())
}
