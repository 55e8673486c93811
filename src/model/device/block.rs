//! One block: `x += attention(ln_1(x)); x += mlp(ln_2(x))`, and the adapter if there is one.

use candle_core::{Result, Tensor};

use super::arithmetic::{gelu, gelu_back};
use super::attention::{Attended, Attention};
use super::linear::{self, Down, Up};
use super::norm::{self, Normed};
use super::parameters::Parameters;
use super::sums::{Factors, Norms, Sums};
use crate::model::layout::{BlockLayout, Linear};

/// A block's side of the way up.
pub struct BlockUp {
    ln_1: Normed,
    attended: Attended,
    ln_2: Normed,
    /// Before gelu, `n x 4d`.
    hidden: Tensor,
    /// Before the adapter's gelu, `n x width`.
    narrow: Option<Tensor>,
    /// In the order of [`maps`].
    maps: Vec<Up>,
}

/// A block's side of the way down.
pub struct BlockDown {
    /// Gradients of the norms' outputs, `n x d` each.
    gy_1: Tensor,
    gy_2: Tensor,
    /// In the order of [`maps`].
    maps: Vec<Down>,
}

fn maps(l: &BlockLayout) -> impl Iterator<Item = &Linear> {
    let adapter = l.adapter.iter().flat_map(|adapter| [&adapter.down, &adapter.up]);
    [&l.c_attn, &l.c_proj, &l.c_fc, &l.mlp_proj].into_iter().chain(adapter)
}

/// From the block's input to its output, `n x d` each.
pub fn forward(
    l: &BlockLayout,
    p: &Parameters,
    x: &Tensor,
    (attention, causal): (Attention, &Tensor),
) -> Result<(Tensor, BlockUp)> {
    let precision = attention.precision;
    let ln_1 = norm::forward(&l.ln_1, p, x)?; // n x d
    let (qkv, c_attn) = linear::forward(&l.c_attn, p, ln_1.y.clone(), precision)?; // n x 3d
    let (context, attended) = attention.forward(&qkv, causal)?; // n x d
    let (out, c_proj) = linear::forward(&l.c_proj, p, context, precision)?; // n x d
    let x = (x + out)?;
    let ln_2 = norm::forward(&l.ln_2, p, &x)?; // n x d
    let (hidden, c_fc) = linear::forward(&l.c_fc, p, ln_2.y.clone(), precision)?; // n x 4d
    let (out, mlp_proj) = linear::forward(&l.mlp_proj, p, gelu(&hidden)?, precision)?; // n x d
    let mut x = (x + out)?;
    let mut maps = vec![c_attn, c_proj, c_fc, mlp_proj];
    let mut narrow = None;
    if let Some(adapter) = &l.adapter {
        let (inside, down) = linear::forward(&adapter.down, p, x.clone(), precision)?; // n x width
        let (out, up) = linear::forward(&adapter.up, p, gelu(&inside)?, precision)?; // n x d
        x = (x + out)?;
        maps.extend([down, up]);
        narrow = Some(inside);
    }
    Ok((x, BlockUp { ln_1, attended, ln_2, hidden, narrow, maps }))
}

/// From the gradient of the block's output to that of its input, `n x d` each.
pub fn back(
    l: &BlockLayout,
    p: &Parameters,
    (k, attention): (&BlockUp, Attention),
    gx: Tensor,
) -> Result<(Tensor, BlockDown)> {
    let precision = attention.precision;
    let mut gx = gx;
    let mut of_adapter = Vec::new();
    if let (Some(adapter), Some(narrow)) = (&l.adapter, &k.narrow) {
        let (gactive, up) = linear::back(&adapter.up, p, gx.clone(), precision)?; // n x width
        let (gin, down) = linear::back(&adapter.down, p, gelu_back(narrow, &gactive)?, precision)?; // n x d
        gx = (gx + gin)?;
        of_adapter.extend([down, up]);
    }
    let (gactive, mlp_proj) = linear::back(&l.mlp_proj, p, gx.clone(), precision)?; // n x 4d
    let (gy_2, c_fc) = linear::back(&l.c_fc, p, gelu_back(&k.hidden, &gactive)?, precision)?; // n x d
    let gx = (gx + norm::back(&l.ln_2, p, &k.ln_2, &gy_2)?)?;
    let (gcontext, c_proj) = linear::back(&l.c_proj, p, gx.clone(), precision)?; // n x d
    let gqkv = attention.back(&k.attended, &gcontext)?; // n x 3d
    let (gy_1, c_attn) = linear::back(&l.c_attn, p, gqkv, precision)?; // n x d
    let gx = (gx + norm::back(&l.ln_1, p, &k.ln_1, &gy_1)?)?;
    let mut maps = vec![c_attn, c_proj, c_fc, mlp_proj];
    maps.extend(of_adapter);
    Ok((gx, BlockDown { gy_1, gy_2, maps }))
}

/// Adds the squared norms of the rows' gradients.
pub fn add_norms(l: &BlockLayout, k: &BlockUp, g: &BlockDown, norms: &mut Norms) -> Result<()> {
    for (map, passed) in maps(l).zip(k.maps.iter().zip(&g.maps)) {
        linear::add_norms(map, passed, norms)?;
    }
    norm::add_norms(&l.ln_1, &k.ln_1, &g.gy_1, norms)?;
    norm::add_norms(&l.ln_2, &k.ln_2, &g.gy_2, norms)
}

/// Adds the rows' gradients, each counted its factor times.
pub fn add_gradient(l: &BlockLayout, k: &BlockUp, g: &BlockDown, factors: &Factors, sums: &mut Sums) -> Result<()> {
    for (map, passed) in maps(l).zip(k.maps.iter().zip(&g.maps)) {
        linear::add_gradient(map, passed, factors, sums)?;
    }
    norm::add_gradient(&l.ln_1, &k.ln_1, &g.gy_1, factors, sums)?;
    norm::add_gradient(&l.ln_2, &k.ln_2, &g.gy_2, factors, sums)
}
