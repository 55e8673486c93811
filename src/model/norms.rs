//! The squared gradient norm of every row, without forming the gradients: block by block while the
//! block's output gradients are at hand, and at the end the embeddings.

use rayon::prelude::*;

use super::gpt2::Gpt2;
use super::layout::BlockLayout;
use super::ops::vectorised;
use super::passed::maps;
use super::scratch::Scratch;
use super::tape::{BlockGradients, BlockTape, Tape};

/// Multiplications that a task of its own is worth.
const TASK: usize = 1 << 22;

/// Adds a block's part to the squared norm of each row; rows have `t` places.
pub fn add_block(l: &BlockLayout, k: &BlockTape, g: &BlockGradients, t: usize, norms: &mut [f64]) {
    let work = 24 * t * t * l.ln_1.bias.range.len();
    let grain = (TASK / work.max(1)).max(1);
    norms.par_iter_mut().with_min_len(grain).enumerate().for_each_init(Scratch::new, |scratch, (row, norm)| {
        *norm += vectorised!(block_norm(l, k, g, row * t..(row + 1) * t, scratch));
    });
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
    norm += l.ln_1.squared_norm(&k.ln_1, &g.gy_1, at.clone(), scratch);
    norm + l.ln_2.squared_norm(&k.ln_2, &g.gy_2, at, scratch)
}

/// Adds what lies outside the blocks: the last norm, the embeddings, the output matrix.
pub fn add_ends(model: &Gpt2, tape: &mut Tape) {
    let mut norms = std::mem::take(&mut tape.norms);
    let (rows, t, kept) = (tape.rows, tape.t, &*tape);
    norms[..rows].par_iter_mut().with_min_len(8).enumerate().for_each_init(Scratch::new, |scratch, (row, norm)| {
        let at = row * t..(row + 1) * t;
        *norm += vectorised!(
            model.heads().squared_norm(model, kept, row, scratch)
                + model.layout().ln_f.squared_norm(&kept.ln_f, &kept.gy_f, at, scratch)
        );
    });
    tape.norms = norms;
}
