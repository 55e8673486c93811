//! The weighted sum of the rows' gradients: one product a layer.
//!
//! Book-Keeping (Bu, Wang, Zha and Karypis 2023, "Differentially Private Optimization on Large Model
//! at Small Cost") keeps every layer's output gradients, scales them row by row once the norms are
//! known, and needs one backward pass. Where memory is short they are not kept, and a second pass
//! makes them again (as in ghost clipping, Li et al. 2022).

use super::gpt2::Gpt2;
use super::layout::BlockLayout;
use super::passed::maps;
use super::tape::{BlockGradients, BlockTape, Tape};

/// Adds a block's gradients, summed over the `n` places of a chunk.
pub fn add_block(l: &BlockLayout, k: &BlockTape, g: &BlockGradients, n: usize, sum: &mut [f64]) {
    let d = l.ln_1.bias.range.len();
    for (linear, passed) in maps(l, k, g).filter(|(linear, _)| linear.trained()) {
        linear.add_gradient(passed.at(linear, 0..n), sum);
    }
    l.ln_1.add_gradient(&k.ln_1, &g.gy_1[..n * d], sum);
    l.ln_2.add_gradient(&k.ln_2, &g.gy_2[..n * d], sum);
}

/// Adds what lies outside the blocks: the last norm, the embeddings, the output matrix.
pub fn add_ends(model: &Gpt2, tape: &Tape, sum: &mut [f64]) {
    let length = tape.n() * model.config().width;
    model.layout().ln_f.add_gradient(&tape.ln_f, &tape.gy_f[..length], sum);
    model.heads().add_gradient(model, tape, sum);
}
