//! New rows, one position after the other, with keys and values kept (a KV cache).
//!
//! At each position a token is drawn from the softmax over the position's span, at temperature 1.

use rand::Rng;

use super::gpt2::{Gpt2, linear_add, linear_forward, norm_forward};
use super::kernel::{View, ViewMut, multiply};
use super::ops::{self, add_scaled, dot, vectorised};
use super::tape::NormTape;

/// Buffers for writing up to a fixed number of rows at a time.
pub struct Sampler {
    capacity: usize,
    x: Vec<f32>,
    normed: NormTape,
    qkv: Vec<f32>,
    context: Vec<f32>,
    hidden: Vec<f32>,
    active: Vec<f32>,
    logits: Vec<f32>,
    /// Keys and values of each block: `capacity x t x 2d`.
    past: Vec<Vec<f32>>,
}

impl Sampler {
    /// Buffers for up to `capacity` rows.
    #[must_use]
    pub fn new(model: &Gpt2, capacity: usize) -> Self {
        let c = model.config();
        let d = c.width;
        let widest = model.spans().iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let zeros = |width: usize| vec![0f32; capacity * width];
        Self {
            capacity,
            x: zeros(d),
            normed: NormTape::new(capacity, d),
            qkv: zeros(3 * d),
            context: zeros(d),
            hidden: zeros(4 * d),
            active: zeros(4 * d),
            logits: zeros(widest),
            past: (0..c.layers).map(|_| zeros(c.positions * 2 * d)).collect(),
        }
    }

    /// The most rows that one call can write.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Fills `tokens` (`rows x t`, at most `capacity` rows) with new rows.
    pub fn write<R: Rng + ?Sized>(&mut self, model: &Gpt2, p: &[f32], rng: &mut R, tokens: &mut [u32]) {
        let t = model.config().positions;
        for i in 0..t {
            self.step(model, p, i, tokens);
            self.draw(model, p, i, rng, tokens);
        }
    }

    /// Hidden states of every row at position `i`.
    fn step(&mut self, model: &Gpt2, p: &[f32], i: usize, tokens: &[u32]) {
        let (d, t) = (model.config().width, model.config().positions);
        let b = tokens.len() / t;
        let layout = model.layout();
        let (wte, wpe) = (&p[layout.wte.clone()], &p[layout.wpe.clone()]);
        let x = &mut self.x[..b * d];
        for (x, row) in x.chunks_exact_mut(d).zip(tokens.chunks_exact(t)) {
            let token = if i == 0 { 0 } else { row[i - 1] as usize };
            x.copy_from_slice(&wte[token * d..(token + 1) * d]);
            add_scaled(x, 1.0, &wpe[i * d..(i + 1) * d]);
        }
        for (l, past) in layout.blocks.iter().zip(&mut self.past) {
            norm_forward(p, &l.ln_1, x, &mut self.normed);
            linear_forward(p, &l.c_attn, &self.normed.y[..b * d], &mut self.qkv[..b * 3 * d]);
            attend(model, i, &self.qkv[..b * 3 * d], past, &mut self.context);
            linear_add(p, &l.c_proj, &self.context[..b * d], x);
            norm_forward(p, &l.ln_2, x, &mut self.normed);
            let hidden = &mut self.hidden[..b * 4 * d];
            let weight = View::dense(&p[l.c_fc.weight.clone()], d, 4 * d);
            multiply(ViewMut::dense(hidden, b, 4 * d), View::dense(&self.normed.y, b, d), weight);
            ops::gelu(hidden, &p[l.c_fc.bias.clone()], &mut self.active[..b * 4 * d]);
            linear_add(p, &l.mlp_proj, &self.active[..b * 4 * d], x);
        }
        norm_forward(p, &layout.ln_f, x, &mut self.normed);
    }

    /// Draws the token of every row at position `i`.
    fn draw<R: Rng + ?Sized>(&mut self, model: &Gpt2, p: &[f32], i: usize, rng: &mut R, tokens: &mut [u32]) {
        let (d, t, s) = (model.config().width, model.config().positions, model.spans()[i].len());
        let b = tokens.len() / t;
        let logits = &mut self.logits[..b * s]; // b x s
        let head = View::dense(&p[model.head(i)], s, d).transposed();
        multiply(ViewMut::dense(logits, b, s), View::dense(&self.normed.y, b, d), head);
        vectorised!(for row in logits.chunks_exact_mut(s) {
            ops::softmax(row);
        });
        for (row, probabilities) in tokens.chunks_exact_mut(t).zip(logits.chunks_exact(s)) {
            row[i] = model.spans()[i].start + pick(probabilities, rng.random::<f32>());
        }
    }
}

/// The index at which the running sum passes `u`, a uniform number in `[0, 1)`. Always inside.
fn pick(probabilities: &[f32], u: f32) -> u32 {
    let mut left = u;
    for (i, p) in probabilities.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return i as u32;
        }
    }
    // Rounding can leave a sum just below 1: the likeliest token takes the rest.
    let likeliest = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    likeliest.map_or(0, |(i, _)| i as u32)
}

/// One block's attention of position `i` to all positions up to it.
fn attend(model: &Gpt2, i: usize, qkv: &[f32], past: &mut [f32], context: &mut [f32]) {
    let c = model.config();
    let (d, t, h, e) = (c.width, c.positions, c.heads, c.head_width());
    let scale = 1.0 / (e as f32).sqrt();
    let mut weights = vec![0f32; i + 1];
    let rows = qkv.chunks_exact(3 * d).zip(past.chunks_exact_mut(t * 2 * d)).zip(context.chunks_exact_mut(d));
    vectorised!(for ((qkv, past), context) in rows {
        past[i * 2 * d..(i + 1) * 2 * d].copy_from_slice(&qkv[d..]);
        context.fill(0.0);
        for head in 0..h {
            let query = &qkv[head * e..(head + 1) * e];
            for (j, w) in weights.iter_mut().enumerate() {
                *w = scale * dot(query, &past[j * 2 * d + head * e..][..e]);
            }
            ops::softmax(&mut weights);
            for (j, w) in weights.iter().enumerate() {
                add_scaled(&mut context[head * e..(head + 1) * e], *w, &past[j * 2 * d + d + head * e..][..e]);
            }
        }
    });
}
