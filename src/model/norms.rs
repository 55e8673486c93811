//! The squared gradient norm of every row, without forming the gradients: block by block while the
//! block's output gradients are at hand, and at the end the embeddings.

use rayon::prelude::*;

use super::gpt2::Gpt2;
use super::layout::BlockLayout;
use super::linear::Passed;
use super::ops::vectorised;
use super::tape::{BlockGradients, BlockTape, Tape};

/// Multiplications that a task of its own is worth.
const TASK: usize = 1 << 22;

/// Adds a block's part to the squared norm of each row; rows have `t` places.
pub fn add_block(l: &BlockLayout, k: &BlockTape, g: &BlockGradients, t: usize, norms: &mut [f64]) {
    let work = 24 * t * t * l.ln_1.bias.range.len();
    let grain = (TASK / work.max(1)).max(1);
    norms.par_iter_mut().with_min_len(grain).enumerate().for_each_init(Vec::new, |scratch, (row, norm)| {
        *norm += vectorised!(block_norm(l, k, g, row * t..(row + 1) * t, scratch));
    });
}

/// What passed through the maps of a block, with the maps.
pub fn maps<'a>(
    l: &'a BlockLayout,
    k: &'a BlockTape,
    g: &'a BlockGradients,
) -> [(&'a super::layout::Linear, Passed<'a>); 4] {
    let passed =
        |a: &'a [f32], g_out: &'a [f32], i: usize| Passed { a, g: g_out, inner: &k.inner[i], ginner: &g.ginner[i] };
    [
        (&l.c_attn, passed(&k.ln_1.y, &g.gqkv, 0)),
        (&l.c_proj, passed(&k.context, &g.gproj, 1)),
        (&l.c_fc, passed(&k.ln_2.y, &g.ghidden, 2)),
        (&l.mlp_proj, passed(&k.active, &g.gout, 3)),
    ]
}

/// The same of its adapter, if there is one.
pub fn adapter_maps<'a>(
    l: &'a BlockLayout,
    k: &'a BlockTape,
    g: &'a BlockGradients,
) -> Option<[(&'a super::layout::Linear, Passed<'a>); 2]> {
    let adapter = l.adapter.as_ref()?;
    let [input, _, active] = &k.adapter;
    let [gafter, ghidden] = &g.gadapter;
    let passed = |a: &'a [f32], g: &'a [f32]| Passed { a, g, inner: &[], ginner: &[] };
    Some([(&adapter.down, passed(input, ghidden)), (&adapter.up, passed(active, gafter))])
}

#[inline(always)]
fn block_norm(
    l: &BlockLayout,
    k: &BlockTape,
    g: &BlockGradients,
    at: std::ops::Range<usize>,
    scratch: &mut Vec<f32>,
) -> f64 {
    let mut norm = 0.0;
    for (linear, passed) in maps(l, k, g) {
        norm += linear.squared_norm(passed, at.clone(), scratch);
    }
    for (linear, passed) in adapter_maps(l, k, g).into_iter().flatten() {
        norm += linear.squared_norm(passed, at.clone(), scratch);
    }
    norm += l.ln_1.squared_norm(&k.ln_1, &g.gy_1, at.clone(), scratch);
    norm + l.ln_2.squared_norm(&k.ln_2, &g.gy_2, at, scratch)
}

/// Adds what lies outside the blocks: the last norm, the embeddings, the output matrix.
pub fn add_ends(model: &Gpt2, tape: &mut Tape) {
    let mut norms = std::mem::take(&mut tape.norms);
    let (rows, t, kept) = (tape.rows, tape.t, &*tape);
    norms[..rows].par_iter_mut().with_min_len(8).enumerate().for_each_init(Vec::new, |scratch, (row, norm)| {
        let at = row * t..(row + 1) * t;
        *norm += vectorised!(
            model.heads().squared_norm(model, kept, row, scratch)
                + model.layout().ln_f.squared_norm(&kept.ln_f, &kept.gy_f, at, scratch)
        );
    });
    tape.norms = norms;
}
