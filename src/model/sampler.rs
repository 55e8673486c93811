//! New rows, one position after the other, with keys and values kept (a KV cache).
//!
//! At each position a token is drawn from the softmax over the position's span, at temperature 1.

use rand::Rng;

use super::gpt2::Gpt2;
use super::kernel::{View, ViewMut, multiply};
use super::layer_norm::NormTape;
use super::ops::{self, add_scaled, dot, vectorised};

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
    /// Insides of low-rank updates.
    inner: Vec<f32>,
    /// Keys and values of each block: `capacity x t x 2d`.
    past: Vec<Vec<f32>>,
}

impl Sampler {
    /// Buffers for up to `capacity` rows.
    #[must_use]
    pub fn new(model: &Gpt2, capacity: usize) -> Self {
        let c = model.config();
        let d = c.width;
        let widest = model.heads().spans().iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let zeros = |width: usize| vec![0f32; capacity * width];
        let hidden =
            model.layout().blocks.iter().filter_map(|l| l.adapter.as_ref()).map(|adapter| adapter.down.outputs);
        let hidden = hidden.max().unwrap_or(0).max(4 * d);
        Self {
            capacity,
            x: zeros(d),
            normed: NormTape::new(capacity, d),
            qkv: zeros(3 * d),
            context: zeros(d),
            hidden: zeros(hidden),
            active: zeros(hidden),
            logits: zeros(widest),
            inner: zeros(model.rank()),
            past: (0..c.layers).map(|_| zeros(model.longest() * 2 * d)).collect(),
        }
    }

    /// Bytes of the buffers that [`Sampler::new`] makes.
    #[must_use]
    pub fn bytes(model: &Gpt2, capacity: usize) -> usize {
        let (c, d) = (model.config(), model.config().width);
        let widest = model.heads().spans().iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let adapters = model.layout().blocks.iter().filter_map(|l| l.adapter.as_ref());
        let hidden = adapters.map(|adapter| adapter.down.outputs).max().unwrap_or(0).max(4 * d);
        let past = c.layers * model.longest() * 2 * d;
        4 * capacity * (5 * d + NormTape::numbers(d) + 2 * hidden + widest + model.rank() + past)
    }

    /// The most rows that one call can write.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Fills `tokens` (`rows x t`, at most `capacity` rows) with new rows, for a model of one token a
    /// place.
    pub fn write<R: Rng + ?Sized>(&mut self, model: &Gpt2, p: &[f32], rng: &mut R, tokens: &mut [u32]) {
        let t = model.longest();
        for (i, span) in model.heads().spans().iter().enumerate() {
            self.step(model, p, i, tokens);
            let y = &self.normed.y[..tokens.len() / t * model.config().width];
            draw((model, p, y), span, &mut self.logits, |row, token| tokens[row * t + i] = token, rng);
        }
    }

    /// Hidden states of every row at place `i`.
    fn step(&mut self, model: &Gpt2, p: &[f32], i: usize, tokens: &[u32]) {
        let (d, t) = (model.config().width, model.longest());
        let b = tokens.len() / t;
        let layout = model.layout();
        let (wte, wpe) = (layout.wte.of(p), layout.wpe.of(p));
        let x = &mut self.x[..b * d];
        for (x, row) in x.chunks_exact_mut(d).zip(tokens.chunks_exact(t)) {
            let token = if i == 0 { model.config().opening } else { row[i - 1] } as usize;
            x.copy_from_slice(&wte[token * d..(token + 1) * d]);
            add_scaled(x, 1.0, &wpe[i * d..(i + 1) * d]);
        }
        let (normed, inner, context) = (&mut self.normed, &mut self.inner, &mut self.context[..b * d]);
        for (l, past) in layout.blocks.iter().zip(&mut self.past) {
            l.ln_1.forward(p, x, normed);
            l.c_attn.forward(p, &normed.y[..b * d], &mut self.qkv[..b * 3 * d], inner);
            attend(model, i, &self.qkv[..b * 3 * d], past, context);
            l.c_proj.add(p, context, x, inner);
            l.ln_2.forward(p, x, normed);
            let (hidden, active) = (&mut self.hidden[..b * 4 * d], &mut self.active[..b * 4 * d]);
            l.c_fc.matrix(p, &normed.y[..b * d], hidden, inner);
            ops::gelu(hidden, l.c_fc.bias.of(p), active);
            l.mlp_proj.add(p, active, x, inner);
            if let Some(adapter) = &l.adapter {
                let w = adapter.down.outputs;
                adapter.down.matrix(p, x, &mut self.hidden[..b * w], &mut []);
                ops::gelu(&mut self.hidden[..b * w], adapter.down.bias.of(p), &mut self.active[..b * w]);
                adapter.up.add(p, &self.active[..b * w], x, &mut []);
            }
        }
        layout.ln_f.forward(p, x, normed);
    }
}

/// Draws a token of the span for every row of hidden states.
fn draw<R: Rng + ?Sized>(
    (model, p, y): (&Gpt2, &[f32], &[f32]),
    span: &std::ops::Range<u32>,
    logits: &mut [f32],
    mut put: impl FnMut(usize, u32),
    rng: &mut R,
) {
    let (d, s) = (model.config().width, span.len());
    let b = y.len() / d;
    let logits = &mut logits[..b * s]; // b x s
    let head = &model.layout().output().of(p)[span.start as usize * d..span.end as usize * d];
    multiply(ViewMut::dense(logits, b, s), View::dense(y, b, d), View::dense(head, s, d).transposed());
    vectorised!(for row in logits.chunks_exact_mut(s) {
        ops::softmax(row);
    });
    for (row, probabilities) in logits.chunks_exact(s).enumerate() {
        put(row, span.start + pick(probabilities, rng.random::<f32>()));
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
    let (d, t, h, e) = (c.width, model.longest(), c.heads, c.width / c.heads);
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
