//! What lies outside the blocks: embeddings, the last norm, the output matrix and the loss.

use candle_core::{D, DType, Result, Tensor};

use super::arithmetic::Precision;
use super::chunk::Loaded;
use super::norm::{self, Normed};
use super::parameters::Parameters;
use super::sums::{Factors, Norms, Sums, scaled};
use crate::model::gpt2::Gpt2;

/// `wte[inputs] + wpe`, `n x d`.
pub fn embed(model: &Gpt2, p: &Parameters, loaded: &Loaded) -> Result<Tensor> {
    let (d, layout) = (model.config().width, model.layout());
    let tokens = p.matrix(&layout.wte, d)?.index_select(&loaded.inputs, 0)?; // n x d
    let places = p.matrix(&layout.wpe, d)?.narrow(0, 0, loaded.t)?; // t x d
    tokens.reshape((loaded.b, loaded.t, d))?.broadcast_add(&places)?.reshape((loaded.b * loaded.t, d))
}

/// What the top keeps: the last norm, the gradient of the logits (`n x v`), the loss of each row (`b`).
pub struct Top {
    /// The last norm.
    pub ln_f: Normed,
    /// Gradient of the logits, `n x v`.
    g: Tensor,
    /// Loss of each row, `b`.
    pub loss: Tensor,
}

/// The logits of every place over the whole vocabulary, `n x v`.
fn logits(model: &Gpt2, p: &Parameters, y: &Tensor, precision: Precision) -> Result<Tensor> {
    precision.product(y, &p.matrix(model.layout().output(), model.config().width)?.t()?)
}

/// From the last block's output (`n x d`) to the losses and the gradients of the logits.
pub fn top(
    (model, precision): (&Gpt2, Precision),
    p: &Parameters,
    (loaded, masks): (&Loaded, Option<&Tensor>),
    x: &Tensor,
) -> Result<Top> {
    let ln_f = norm::forward(&model.layout().ln_f, p, x)?;
    let mut logits = logits(model, p, &ln_f.y, precision)?; // n x v
    if let Some(masks) = masks {
        logits = (logits + masks.index_select(&loaded.picks, 0)?)?;
    }
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
    let powers = shifted.exp()?;
    let total = powers.sum_keepdim(D::Minus1)?; // n x 1
    let targets = loaded.targets.unsqueeze(1)?; // n x 1
    let surprise = (total.log()? - shifted.gather(&targets, 1)?)?;
    let loss = (surprise * &loaded.shares)?.reshape((loaded.b, loaded.t))?.sum(1)?;
    let g = powers.broadcast_mul(&(&loaded.shares / total)?)?;
    let g = g.scatter_add(&targets, &loaded.shares.neg()?, 1)?; // n x v
    Ok(Top { ln_f, g, loss })
}

/// The gradient of the last norm's output, `n x d`.
pub fn back((model, precision): (&Gpt2, Precision), p: &Parameters, top: &Top) -> Result<Tensor> {
    precision.product(&top.g, &p.matrix(model.layout().output(), model.config().width)?)
}

/// Adds the squared norms of the rows' gradients of embeddings and output matrix: with `gx` the gradient
/// of the embeddings as they were read, `|read|^2 + |head|^2 + 2 <read, head>` (see `head::all`).
pub fn add_norms(model: &Gpt2, loaded: &Loaded, (top, gx): (&Top, Option<&Tensor>), norms: &mut Norms) -> Result<()> {
    if model.layout().output().slot.is_none() {
        return Ok(());
    }
    norms.add_product(&top.ln_f.y, &top.g)?;
    let (Some(gx), true) = (gx, model.layout().wte.slot.is_some()) else { return Ok(()) };
    let (b, t) = (loaded.b, loaded.t);
    let (y, g, gx) = (norms.by_row(&top.ln_f.y)?, norms.by_row(&top.g)?, norms.by_row(gx)?); // b x t x ...
    let inputs = loaded.inputs.reshape((b, 1, t))?;
    let same = inputs.broadcast_as((b, t, t))?.eq(&inputs.transpose(1, 2)?.broadcast_as((b, t, t))?)?;
    let read = (gx.matmul(&gx.t()?)? * same.to_dtype(DType::F32)?)?; // b x t x t
    norms.add(&read.sum((1, 2))?)?;
    let lengths = gx.sqr()?.sum(2)?; // b x t, of the positions
    norms.add(&lengths.sum(1)?)?;
    let chosen = g.gather(&inputs.broadcast_as((b, t, t))?.contiguous()?, 2)?; // b x t x t: g_j of token i
    let cross = (y.matmul(&gx.t()?)? * chosen)?;
    norms.add(&(cross.sum((1, 2))? * 2.0)?)?;
    let triangle = (lengths.sqrt()? + (g.sqr()?.sum(2)?.sqrt()? * y.sqr()?.sum(2)?.sqrt()?)?)?;
    norms.add_rounding(&triangle.sum(1)?)
}

/// Adds the rows' gradients of embeddings and output matrix, each counted its factor times.
pub fn add_gradient(
    model: &Gpt2,
    loaded: &Loaded,
    (top, gx): (&Top, Option<&Tensor>),
    factors: &Factors,
    sums: &mut Sums,
) -> Result<()> {
    let (layout, d) = (model.layout(), model.config().width);
    if layout.output().slot.is_some() {
        let (g, y) = (scaled(&top.g, factors)?, factors.clear(&top.ln_f.y)?);
        sums.add(layout.output(), &g.t()?.matmul(&y)?)?; // v x d
    }
    let (Some(gx), true) = (gx, layout.wte.slot.is_some()) else { return Ok(()) };
    let gx = scaled(gx, factors)?; // n x d
    let zeros = gx.narrow(0, 0, 1)?.zeros_like()?.broadcast_as((model.config().vocabulary, d))?.contiguous()?;
    sums.add(&layout.wte, &zeros.index_add(&loaded.inputs, &gx, 0)?)?;
    let places = gx.reshape((loaded.b, loaded.t, d))?.sum(0)?; // t x d
    sums.add(&layout.wpe, &places.pad_with_zeros(0, 0, model.config().positions - loaded.t)?)
}
