//! New rows, some tokens at a time, with keys and values kept (a KV cache).
//!
//! Rows are written side by side and need not keep step: each has a place of its own in the cache. Tokens
//! that are known in advance are read together, as many as there are, and cost no pass of their own. Letters:
//! `n` tokens read at once, of any rows; `d` width; `t` the most places of a row.

use super::gpt2::Gpt2;
use super::layer_norm::NormTape;
use super::layout::BlockLayout;
use super::ops::{self, add_scaled};
use super::recall::Past;

/// The most tokens that pass through the model together.
const TOGETHER: usize = 512;

/// Bytes of keys and values that one sampler keeps: all of them are read for every token, from a cache of
/// the processor if they fit.
const CACHE: usize = 24 << 20;

/// Rows side by side: the matrices are read once for all of them.
const ROWS: std::ops::RangeInclusive<usize> = 32..=256;

/// Buffers for writing up to a fixed number of rows side by side.
pub struct Sampler {
    rows: usize,
    longest: usize,
    /// Tokens to be read: row and token, those of one row in order.
    waiting: Vec<(usize, u32)>,
    /// Tokens that were read of each row.
    read: Vec<usize>,
    /// The last hidden state of each row, `rows x d`.
    last: Vec<f32>,
    /// Row and place of each token being read.
    at: Vec<(usize, usize)>,
    x: Vec<f32>,
    normed: NormTape,
    qkv: Vec<f32>,
    context: Vec<f32>,
    hidden: Vec<f32>,
    active: Vec<f32>,
    /// Insides of low-rank updates.
    inner: Vec<f32>,
    /// Keys and values of each block.
    past: Vec<Past>,
}

impl Sampler {
    /// Rows that fit side by side: a function of the model alone.
    #[must_use]
    pub fn rows_of(model: &Gpt2) -> usize {
        let c = model.config();
        (CACHE / (4 * c.layers.max(1) * Past::numbers(model.longest(), c.width))).clamp(*ROWS.start(), *ROWS.end())
    }

    /// Buffers for up to `rows` rows.
    #[must_use]
    pub fn new(model: &Gpt2, rows: usize) -> Self {
        let c = model.config();
        let d = c.width;
        let n = together(model, rows);
        let zeros = |width: usize| vec![0f32; n * width];
        let hidden = widest(model);
        Self {
            rows,
            longest: model.longest(),
            waiting: Vec::new(),
            read: vec![0; rows],
            last: vec![0.0; rows * d],
            at: Vec::new(),
            x: zeros(d),
            normed: NormTape::new(n, d),
            qkv: zeros(3 * d),
            context: zeros(d),
            hidden: zeros(hidden),
            active: zeros(hidden),
            inner: zeros(model.rank()),
            past: (0..c.layers).map(|_| Past::new(rows, model.longest(), (d, c.heads))).collect(),
        }
    }

    /// Bytes of the buffers that [`Sampler::new`] makes.
    #[must_use]
    pub fn bytes(model: &Gpt2, rows: usize) -> usize {
        let (c, d, n) = (model.config(), model.config().width, together(model, rows));
        let past = c.layers * Past::numbers(model.longest(), d);
        let token = 5 * d + NormTape::numbers(d) + 2 * widest(model) + model.rank();
        4 * (n * token + rows * (d + past)) + 8 * rows
    }

    /// Begins new rows: each has read the opening token, once [`Sampler::read`] is called.
    pub fn begin(&mut self, model: &Gpt2) {
        self.read.fill(0);
        self.waiting.clear();
        self.waiting.extend((0..self.rows).map(|row| (row, model.config().opening)));
    }

    /// Puts a token at the end of a row. The last token of the longest row is never read, for nothing
    /// comes after it.
    pub fn push(&mut self, row: usize, token: u32) {
        self.waiting.push((row, token));
    }

    /// The last hidden state of a row, `d`: what the heads read.
    #[must_use]
    pub fn state(&self, row: usize) -> &[f32] {
        let d = self.last.len() / self.rows.max(1);
        &self.last[row * d..(row + 1) * d]
    }

    /// Reads all tokens that were pushed.
    pub fn read(&mut self, model: &Gpt2, p: &[f32]) {
        let waiting = std::mem::take(&mut self.waiting);
        for tokens in waiting.chunks(self.x.len() / model.config().width) {
            self.embed(model, p, tokens);
            self.pass(model, p);
        }
        self.waiting = waiting;
        self.waiting.clear();
    }

    /// Hidden states of tokens as they come in, and their places. A token beyond the longest row is let go.
    fn embed(&mut self, model: &Gpt2, p: &[f32], tokens: &[(usize, u32)]) {
        let d = model.config().width;
        let (wte, wpe) = (model.layout().wte.of(p), model.layout().wpe.of(p));
        self.at.clear();
        for &(row, token) in tokens {
            let place = self.read[row];
            if place == self.longest {
                continue;
            }
            let x = &mut self.x[self.at.len() * d..][..d];
            x.copy_from_slice(&wte[token as usize * d..][..d]);
            add_scaled(x, 1.0, &wpe[place * d..][..d]);
            self.at.push((row, place));
            self.read[row] += 1;
        }
    }

    /// Passes the tokens at hand through all blocks.
    fn pass(&mut self, model: &Gpt2, p: &[f32]) {
        let d = model.config().width;
        for (i, l) in model.layout().blocks.iter().enumerate() {
            let n = self.at.len();
            l.ln_1.forward(p, &self.x[..n * d], &mut self.normed);
            l.c_attn.forward(p, &self.normed.y[..n * d], &mut self.qkv[..n * 3 * d], &mut self.inner);
            self.keep(i, d);
            if i + 1 == model.config().layers {
                self.leave_the_last(d);
            }
            self.block(model, p, (l, i));
        }
        if model.config().layers == 0 {
            self.leave_the_last(d);
        }
        let n = self.at.len();
        model.layout().ln_f.forward(p, &self.x[..n * d], &mut self.normed);
        for (&(row, _), y) in self.at.iter().zip(self.normed.y.chunks_exact(d)) {
            self.last[row * d..(row + 1) * d].copy_from_slice(y);
        }
    }

    /// Keeps the keys and values of the tokens at hand.
    fn keep(&mut self, block: usize, d: usize) {
        for (&(row, place), qkv) in self.at.iter().zip(self.qkv.chunks_exact(3 * d)) {
            self.past[block].keep(row, place, &qkv[d..]);
        }
    }

    /// Of the tokens at hand, leaves the last one of each row: above the last block's keys and values,
    /// nobody asks for the others.
    fn leave_the_last(&mut self, d: usize) {
        let mut kept = 0;
        for i in 0..self.at.len() {
            let (row, place) = self.at[i];
            if place + 1 == self.read[row] {
                self.x.copy_within(i * d..(i + 1) * d, kept * d);
                self.qkv.copy_within(i * 3 * d..(i + 1) * 3 * d, kept * 3 * d);
                self.at[kept] = (row, place);
                kept += 1;
            }
        }
        self.at.truncate(kept);
    }

    /// A block from its queries on.
    fn block(&mut self, model: &Gpt2, p: &[f32], (l, i): (&BlockLayout, usize)) {
        let (d, n) = (model.config().width, self.at.len());
        let (x, inner, context) = (&mut self.x[..n * d], &mut self.inner, &mut self.context[..n * d]);
        self.past[i].recall(&self.qkv[..n * 3 * d], &self.at, context);
        l.c_proj.add(p, context, x, inner);
        l.ln_2.forward(p, x, &mut self.normed);
        let (hidden, active) = (&mut self.hidden[..n * 4 * d], &mut self.active[..n * 4 * d]);
        l.c_fc.matrix(p, &self.normed.y[..n * d], hidden, inner);
        ops::gelu(hidden, l.c_fc.bias.of(p), active);
        l.mlp_proj.add(p, active, x, inner);
        let Some(adapter) = &l.adapter else { return };
        let w = adapter.down.outputs;
        adapter.down.matrix(p, x, &mut self.hidden[..n * w], &mut []);
        ops::gelu(&mut self.hidden[..n * w], adapter.down.bias.of(p), &mut self.active[..n * w]);
        adapter.up.add(p, &self.active[..n * w], x, &mut []);
    }
}

/// Tokens that pass through the model together, of so many rows.
fn together(model: &Gpt2, rows: usize) -> usize {
    TOGETHER.min(rows * model.longest()).max(rows)
}

/// Width of the widest layer inside a block.
fn widest(model: &Gpt2) -> usize {
    let adapters = model.layout().blocks.iter().filter_map(|l| l.adapter.as_ref());
    adapters.map(|adapter| adapter.down.outputs).max().unwrap_or(0).max(4 * model.config().width)
}
