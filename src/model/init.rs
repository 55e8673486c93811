//! Parameters to start from, drawn from public facts alone.

use std::ops::Range;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::gpt2::Gpt2;
use super::layout::Linear;

/// How the parameters of a new model are drawn. All are standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Initial {
    /// Token embeddings (0.02 in GPT-2).
    pub tokens: f32,
    /// Position embeddings (0.02 in GPT-2).
    pub positions: f32,
    /// Matrices, as a multiple of `1 / sqrt(inputs)`; those that add to the residual stream are
    /// divided by `sqrt(2 layers)` besides, as in GPT-2.
    pub matrices: f32,
    /// Share of a column's ordered values (numbers, dates) over which their embeddings vary together,
    /// so that neighbouring values start out alike; 0 for none.
    pub smoothness: f32,
}

/// Draws the plain parameters of a model: norms are the identity, biases zero, the rest normal.
/// `ordered[t]` are the tokens of position `t` that stand for ordered values (may be empty).
pub fn initial<R: Rng + ?Sized>(model: &Gpt2, how: &Initial, ordered: &[Range<u32>], rng: &mut R) -> Vec<f32> {
    let layout = model.layout();
    let width = model.config().width;
    let mut p = vec![0f32; layout.plain_len()];
    draw(&mut p[layout.wte.range.clone()], how.tokens, rng);
    draw(&mut p[layout.wpe.range.clone()], how.positions, rng);
    for tokens in ordered {
        let rows = layout.wte.range.start + tokens.start as usize * width
            ..layout.wte.range.start + tokens.end as usize * width;
        smooth(&mut p[rows], width, how);
    }
    let residual = 1.0 / (2.0 * layout.blocks.len() as f32).sqrt();
    let mut matrix = |l: &Linear, scale: f32| {
        draw(&mut p[l.weight.range.clone()], how.matrices * scale / (l.inputs as f32).sqrt(), rng);
    };
    for block in &layout.blocks {
        matrix(&block.c_attn, 1.0);
        matrix(&block.c_proj, residual);
        matrix(&block.c_fc, 1.0);
        matrix(&block.mlp_proj, residual);
    }
    let norms = layout.blocks.iter().flat_map(|b| [&b.ln_1, &b.ln_2]).chain([&layout.ln_f]);
    for norm in norms {
        p[norm.weight.range.clone()].fill(1.0);
    }
    p
}

/// Appends the parameters that training adds to plain ones, so that the model computes what it did:
/// low-rank updates and adapters begin with a random way in and a way out of zeros, an output matrix
/// of its own as a copy of the embeddings. Does nothing where training adds none.
pub fn extend<R: Rng + ?Sized>(model: &Gpt2, p: &mut Vec<f32>, rng: &mut R) {
    let layout = model.layout();
    p.truncate(layout.plain_len());
    p.resize(layout.len(), 0.0);
    if let Some(head) = &layout.head {
        p.copy_within(layout.wte.range.clone(), head.range.start);
    }
    for block in &layout.blocks {
        for linear in [&block.c_attn, &block.c_proj, &block.c_fc, &block.mlp_proj] {
            if let Some(update) = &linear.update {
                draw(&mut p[update.down.range.clone()], 1.0 / (linear.inputs as f32).sqrt(), rng);
            }
        }
        if let Some(adapter) = &block.adapter {
            let std = 1.0 / (adapter.down.inputs as f32).sqrt();
            draw(&mut p[adapter.down.weight.range.clone()], std, rng);
        }
    }
}

fn draw<R: Rng + ?Sized>(x: &mut [f32], std: f32, rng: &mut R) {
    for x in x {
        let z: f32 = StandardNormal.sample(rng);
        *x = std * z;
    }
}

/// Averages each row of `x` (`tokens x width`) with its neighbours under a Gaussian window, then
/// restores the standard deviation.
fn smooth(x: &mut [f32], width: usize, how: &Initial) {
    if how.smoothness <= 0.0 || x.is_empty() {
        return;
    }
    let (source, count) = (x.to_vec(), x.len() / width);
    let scale = how.smoothness * count as f32;
    for (i, row) in x.chunks_exact_mut(width).enumerate() {
        let window = |j: usize| (-0.5 * ((i as f32 - j as f32) / scale).powi(2)).exp();
        let norm = (0..count).map(|j| window(j).powi(2)).sum::<f32>().sqrt();
        row.fill(0.0);
        for (j, other) in source.chunks_exact(width).enumerate() {
            for (x, y) in row.iter_mut().zip(other) {
                *x += window(j) / norm * y;
            }
        }
    }
}
