//! What one chunk of rows leaves behind on its way through the model: layer inputs from the forward
//! pass, output gradients from the backward pass. Allocated once and reused for every chunk.
//!
//! Buffers are as large as the largest chunk; the chunk at hand is `rows` rows of `t` places each and
//! uses the first `n = rows t` of everything.

use super::gpt2::Gpt2;
use super::head::NONE;
use super::layer_norm::NormTape;
use super::layout::{BlockLayout, Linear};
use super::linear::Inner;
use super::ops::scale_rows;

/// Buffers for up to `n` places, of rows of at most `t`.
pub struct Tape {
    /// Rows of the chunk at hand.
    pub rows: usize,
    /// Places of each of its rows.
    pub t: usize,
    /// The tokens read: the opening token, then the row without its last token, `n`.
    pub inputs: Vec<u32>,
    /// The tokens to predict: the row, `n`.
    pub targets: Vec<u32>,
    /// What each place chooses from; [`NONE`] where nothing is to be predicted, `n`.
    pub choices: Vec<u32>,
    /// Hidden states on the way up, `n x d`.
    pub x: Vec<f32>,
    /// Their gradient on the way down; at the end that of the embeddings, `n x d`.
    pub gx: Vec<f32>,
    /// One per block.
    pub blocks: Vec<BlockTape>,
    /// Output gradients: one per block, or one that all blocks share in turn.
    pub gradients: Vec<BlockGradients>,
    /// The last norm.
    pub ln_f: NormTape,
    /// Gradient of its output, `n x d`.
    pub gy_f: Vec<f32>,
    /// Logits, then their gradients, as the heads lay them out.
    pub logits: Vec<f32>,
    /// Loss of each row.
    pub loss: Vec<f32>,
    /// Gradient of a block's context, `n x d`.
    pub gcontext: Vec<f32>,
    /// Squared gradient norm of each row, then its clipping factor.
    pub norms: Vec<f64>,
    /// The most places of a row.
    longest: usize,
}

/// A block's side of the way up.
pub struct BlockTape {
    /// Before attention.
    pub ln_1: NormTape,
    /// Queries, keys, values, `n x 3d`.
    pub qkv: Vec<f32>,
    /// Attention weights, `rows x heads x t x t`.
    pub weights: Vec<f32>,
    /// Attention's sum of values, `n x d`.
    pub context: Vec<f32>,
    /// Before the MLP.
    pub ln_2: NormTape,
    /// Before gelu, `n x 4d`.
    pub hidden: Vec<f32>,
    /// After gelu, `n x 4d`.
    pub active: Vec<f32>,
    /// Insides of low-rank updates: of `c_attn`, `c_proj`, `c_fc`, `mlp_proj`.
    pub inner: [Inner; 4],
    /// The adapter: its input `n x d`, and before and after gelu, `n x width`; empty without one.
    pub adapter: [Vec<f32>; 3],
}

/// A block's side of the way down.
pub struct BlockGradients {
    /// Of the first norm's output, `n x d`.
    pub gy_1: Vec<f32>,
    /// Of the queries, keys and values, `n x 3d`.
    pub gqkv: Vec<f32>,
    /// Of the projection's output, `n x d`.
    pub gproj: Vec<f32>,
    /// Of the second norm's output, `n x d`.
    pub gy_2: Vec<f32>,
    /// Before gelu, `n x 4d`.
    pub ghidden: Vec<f32>,
    /// Of the MLP's output, `n x d`.
    pub gout: Vec<f32>,
    /// Of the insides of low-rank updates.
    pub ginner: [Inner; 4],
    /// The adapter: of its output `n x d`, and before gelu, `n x width`.
    pub gadapter: [Vec<f32>; 2],
    /// The most places.
    places: usize,
}

/// The most that a chunk holds.
#[derive(Clone, Copy)]
pub struct Capacity {
    /// Places in all.
    pub places: usize,
    /// Rows.
    pub rows: usize,
    /// Whether every block keeps its own output gradients.
    pub keeps: bool,
}

fn ranks(l: &BlockLayout) -> [usize; 4] {
    [&l.c_attn, &l.c_proj, &l.c_fc, &l.mlp_proj].map(Linear::rank)
}

fn bottleneck(l: &BlockLayout) -> Option<usize> {
    l.adapter.as_ref().map(|adapter| adapter.down.outputs)
}

impl Tape {
    /// Buffers for a model.
    pub fn new(model: &Gpt2, capacity: Capacity) -> Self {
        let (d, t, layout) = (model.config().width, model.longest(), model.layout());
        let Capacity { places: n, rows, keeps } = capacity;
        let owners = if layout.trains_body() { &layout.blocks[..] } else { &[] };
        let owners = if keeps { owners } else { &owners[..owners.len().min(1)] };
        Self {
            rows: 0,
            t,
            inputs: vec![0; n],
            targets: vec![0; n],
            choices: vec![NONE; n],
            x: vec![0.0; n * d],
            gx: vec![0.0; n * d],
            blocks: layout.blocks.iter().map(|l| BlockTape::new(l, (n, d), n * model.config().heads * t)).collect(),
            gradients: owners.iter().map(|l| BlockGradients::new(l, (n, d))).collect(),
            ln_f: NormTape::new(n, d),
            gy_f: vec![0.0; n * d],
            logits: vec![0.0; model.heads().logits_len(model.config(), n, rows)],
            loss: vec![0.0; rows],
            gcontext: vec![0.0; n * d],
            norms: vec![0.0; rows],
            longest: t,
        }
    }

    /// Bytes of the buffers that [`Tape::new`] makes.
    pub fn bytes(model: &Gpt2, capacity: Capacity) -> usize {
        let (config, layout) = (model.config(), model.layout());
        let Capacity { places: n, rows, keeps } = capacity;
        let block = |l: &BlockLayout| BlockTape::numbers(l, config.width) + config.heads * model.longest();
        let blocks: usize = layout.blocks.iter().map(block).sum();
        let owners = if layout.trains_body() { &layout.blocks[..] } else { &[] };
        let owners = if keeps { owners } else { &owners[..owners.len().min(1)] };
        let gradients: usize = owners.iter().map(|l| BlockGradients::numbers(l, config.width)).sum();
        let ends = 3 + 4 * config.width + NormTape::numbers(config.width);
        let rest = model.heads().logits_len(config, n, rows) + rows;
        4 * (n * (ends + blocks + gradients) + rest) + 8 * rows
    }

    /// Places of the chunk at hand.
    pub fn n(&self) -> usize {
        self.rows * self.t
    }

    /// Multiplies the gradients outside the blocks by each row's factor.
    pub fn scale_ends(&mut self, factors: &[f32]) {
        let length = self.n() * (self.gx.len() / self.inputs.len());
        scale_rows(&mut self.gx[..length], factors);
        scale_rows(&mut self.gy_f[..length], factors);
    }

    /// Makes all that the passes left of a row zero: it may be infinite, and 0 times infinity is not 0.
    pub fn clear(&mut self, row: usize) {
        let (t, capacity) = (self.t, self.inputs.len());
        let clear = |x: &mut Vec<f32>| {
            let width = t * (x.len() / capacity);
            x[row * width..(row + 1) * width].fill(0.0);
        };
        for k in &mut self.blocks {
            let square = k.weights.len() / (capacity * self.longest) * t * t;
            k.weights[row * square..(row + 1) * square].fill(0.0);
            [&mut k.qkv, &mut k.context, &mut k.hidden, &mut k.active].into_iter().for_each(clear);
            [&mut k.ln_1, &mut k.ln_2].into_iter().flat_map(NormTape::buffers).for_each(clear);
            k.inner.iter_mut().chain(&mut k.adapter).for_each(clear);
        }
        self.ln_f.buffers().into_iter().for_each(clear);
    }
}

impl BlockTape {
    /// Numbers a place, without the attention weights.
    fn numbers(l: &BlockLayout, d: usize) -> usize {
        let adapter = bottleneck(l).map_or(0, |k| d + 2 * k);
        2 * NormTape::numbers(d) + 12 * d + ranks(l).iter().sum::<usize>() + adapter
    }

    fn new(l: &BlockLayout, (n, d): (usize, usize), squares: usize) -> Self {
        let k = bottleneck(l);
        let adapter = [k.map_or(0, |_| d), k.unwrap_or(0), k.unwrap_or(0)];
        Self {
            ln_1: NormTape::new(n, d),
            qkv: vec![0.0; n * 3 * d],
            weights: vec![0.0; squares],
            context: vec![0.0; n * d],
            ln_2: NormTape::new(n, d),
            hidden: vec![0.0; n * 4 * d],
            active: vec![0.0; n * 4 * d],
            inner: ranks(l).map(|rank| vec![0.0; n * rank]),
            adapter: adapter.map(|width| vec![0.0; n * width]),
        }
    }
}

impl BlockGradients {
    /// Numbers a place.
    fn numbers(l: &BlockLayout, d: usize) -> usize {
        11 * d + ranks(l).iter().sum::<usize>() + bottleneck(l).map_or(0, |k| d + k)
    }

    fn new(l: &BlockLayout, (n, d): (usize, usize)) -> Self {
        let k = bottleneck(l);
        Self {
            gy_1: vec![0.0; n * d],
            gqkv: vec![0.0; n * 3 * d],
            gproj: vec![0.0; n * d],
            gy_2: vec![0.0; n * d],
            ghidden: vec![0.0; n * 4 * d],
            gout: vec![0.0; n * d],
            ginner: ranks(l).map(|rank| vec![0.0; n * rank]),
            gadapter: [k.map_or(0, |_| d), k.unwrap_or(0)].map(|width| vec![0.0; n * width]),
            places: n,
        }
    }

    /// Multiplies the gradients of a chunk of `n` places by each row's factor.
    pub fn scale(&mut self, n: usize, factors: &[f32]) {
        let places = self.places;
        for buffer in self.buffers() {
            let length = n * (buffer.len() / places);
            scale_rows(&mut buffer[..length], factors);
        }
    }

    fn buffers(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        let dense =
            [&mut self.gy_1, &mut self.gqkv, &mut self.gproj, &mut self.gy_2, &mut self.ghidden, &mut self.gout];
        dense.into_iter().chain(&mut self.ginner).chain(&mut self.gadapter)
    }
}
