//! GPT-2: pre-norm blocks, gelu (tanh form), learned positions, tied head, biases everywhere
//! (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; names and layouts
//! as in Hugging Face's `modeling_gpt2`). Forward and backward are scheduled by hand on slices.
//!
//! Letters in comments: `b` rows of the chunk, `t` positions, `n = b t`, `d` width, `h` heads,
//! `e = d / h`, `s` tokens in a span.

use std::ops::Range;

use super::config::{Config, ConfigError};
use super::kernel::{View, ViewMut, multiply, multiply_add};
use super::layout::{BlockLayout, Layout, Linear, Norm};
use super::ops::{self, Normed, add_scaled, dot, vectorised};
use super::tape::{BlockTape, NormTape, Tape};

/// A model's shape: sizes, where the parameters lie, and which tokens each position may write.
///
/// The parameters are not part of it: they are a flat slice of [`Layout::len`] numbers.
#[derive(Clone, Debug)]
pub struct Gpt2 {
    config: Config,
    layout: Layout,
    spans: Vec<Range<u32>>,
    shares: Vec<f32>,
}

impl Gpt2 {
    /// A model whose position `t` writes tokens of `spans[t]` only. The loss of a row is the mean
    /// over positions of the cross-entropy within the span.
    ///
    /// # Errors
    /// [`ConfigError`] when sizes are zero or do not fit each other, or the spans are not contiguous.
    pub fn new(config: Config, spans: Vec<Range<u32>>) -> Result<Self, ConfigError> {
        config.check()?;
        let mut next = 1;
        for span in &spans {
            if span.start != next || span.end <= span.start {
                return Err(ConfigError::Spans);
            }
            next = span.end;
        }
        if spans.len() != config.positions || next as usize > config.vocabulary {
            return Err(ConfigError::Spans);
        }
        let shares = vec![1.0 / spans.len() as f32; spans.len()];
        Ok(Self { config, layout: Layout::new(&config), spans, shares })
    }

    /// The same model with a loss that counts position `t` `weights[t]` times (a public choice).
    /// The weights are scaled to sum to 1.
    #[must_use]
    pub fn with_loss_weights(mut self, weights: &[f32]) -> Self {
        let total: f32 = weights.iter().sum();
        for (share, weight) in self.shares.iter_mut().zip(weights) {
            *share = weight / total;
        }
        self
    }

    /// The sizes.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the parameters lie.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The tokens of each position.
    #[must_use]
    pub fn spans(&self) -> &[Range<u32>] {
        &self.spans
    }

    /// A valid row, for places in a chunk that no row takes: the first token of every span.
    pub(super) fn first_row(&self, tokens: &mut [u32]) {
        for (token, span) in tokens.iter_mut().zip(&self.spans) {
            *token = span.start;
        }
    }

    /// Rows of the embedding matrix that are the output matrix of position `t`: `s x d`.
    pub(super) fn head(&self, t: usize) -> Range<usize> {
        let d = self.config.width;
        let start = self.layout.wte.start;
        start + self.spans[t].start as usize * d..start + self.spans[t].end as usize * d
    }

    /// Where the logits of position `t` lie in a tape of `b` rows: `b x s`.
    pub(super) fn logits(&self, t: usize, b: usize) -> Range<usize> {
        b * (self.spans[t].start as usize - 1)..b * (self.spans[t].end as usize - 1)
    }

    /// From `tape.targets` to `tape.loss` and the gradients of the logits of every row's loss.
    pub(super) fn forward(&self, p: &[f32], tape: &mut Tape) {
        self.embed(p, tape);
        for (layout, block) in self.layout.blocks.iter().zip(&mut tape.blocks) {
            self.block_forward(p, layout, block, &mut tape.x);
        }
        norm_forward(p, &self.layout.ln_f, &tape.x, &mut tape.ln_f);
        self.head_forward(p, tape);
    }

    /// `x = wte[inputs] + wpe`; inputs are the targets moved right by one, after the opening token.
    fn embed(&self, p: &[f32], tape: &mut Tape) {
        let (d, t) = (self.config.width, self.config.positions);
        let (wte, wpe) = (&p[self.layout.wte.clone()], &p[self.layout.wpe.clone()]);
        for i in 0..tape.rows * t {
            let token = if i % t == 0 { 0 } else { tape.targets[i - 1] };
            tape.inputs[i] = token;
            let x = &mut tape.x[i * d..(i + 1) * d]; // d
            x.copy_from_slice(&wte[token as usize * d..][..d]);
            add_scaled(x, 1.0, &wpe[(i % t) * d..][..d]);
        }
    }

    /// `x += attention(ln_1(x)); x += mlp(ln_2(x))`
    fn block_forward(&self, p: &[f32], l: &BlockLayout, k: &mut BlockTape, x: &mut [f32]) {
        let d = self.config.width;
        let n = x.len() / d;
        norm_forward(p, &l.ln_1, x, &mut k.ln_1); // n x d
        linear_forward(p, &l.c_attn, &k.ln_1.y, &mut k.qkv); // n x 3d
        self.attend(&k.qkv, &mut k.weights, &mut k.context); // n x d
        linear_add(p, &l.c_proj, &k.context, x); // n x d
        norm_forward(p, &l.ln_2, x, &mut k.ln_2); // n x d
        let hidden = &mut k.hidden;
        multiply(
            ViewMut::dense(hidden, n, 4 * d),
            View::dense(&k.ln_2.y, n, d),
            View::dense(&p[l.c_fc.weight.clone()], d, 4 * d),
        );
        ops::gelu(hidden, &p[l.c_fc.bias.clone()], &mut k.active); // n x 4d
        linear_add(p, &l.mlp_proj, &k.active, x); // n x d
    }

    /// Causal attention of every row and head: `context = softmax(q k' / sqrt(e)) v`.
    fn attend(&self, qkv: &[f32], weights: &mut [f32], context: &mut [f32]) {
        let (d, t, h, e) = (self.config.width, self.config.positions, self.config.heads, self.config.head_width());
        let rows = context.len() / (t * d);
        let scale = 1.0 / (e as f32).sqrt();
        vectorised!(for b in 0..rows {
            let qkv = &qkv[b * t * 3 * d..(b + 1) * t * 3 * d]; // t x 3d
            for head in 0..h {
                let weights = &mut weights[(b * h + head) * t * t..][..t * t]; // t x t
                let part = |which: usize, i: usize| &qkv[i * 3 * d + which * d + head * e..][..e];
                for i in 0..t {
                    let row = &mut weights[i * t..=i * t + i];
                    for (j, w) in row.iter_mut().enumerate() {
                        *w = scale * dot(part(0, i), part(1, j));
                    }
                    ops::softmax(row);
                    let out = &mut context[(b * t + i) * d + head * e..][..e];
                    out.fill(0.0);
                    for (j, w) in row.iter().enumerate() {
                        add_scaled(out, *w, part(2, j));
                    }
                }
            }
        });
    }

    /// Logits within each position's span, softmax, loss, and in place the gradient of the loss.
    fn head_forward(&self, p: &[f32], tape: &mut Tape) {
        let (d, t, b) = (self.config.width, self.config.positions, tape.rows);
        tape.loss[..b].fill(0.0);
        for (i, span) in self.spans.iter().enumerate() {
            let s = span.len();
            let logits = &mut tape.logits[self.logits(i, b)]; // b x s
            let y = View::strided(&tape.ln_f.y[i * d..], b, d, t * d);
            multiply(ViewMut::dense(logits, b, s), y, View::dense(&p[self.head(i)], s, d).transposed());
            let (targets, loss, share) = (&tape.targets, &mut tape.loss, self.shares[i]);
            vectorised!(for (row, logits) in logits.chunks_exact_mut(s).enumerate() {
                let target = (targets[row * t + i] - span.start) as usize;
                ops::softmax(logits);
                loss[row] -= share * logits[target].max(f32::MIN_POSITIVE).ln();
                for x in logits.iter_mut() {
                    *x *= share;
                }
                logits[target] -= share;
            });
        }
    }

    /// From the gradients of the logits to those of every layer's output, kept on the tape.
    pub(super) fn backward(&self, p: &[f32], tape: &mut Tape) {
        let (d, t, b) = (self.config.width, self.config.positions, tape.rows);
        for (i, span) in self.spans.iter().enumerate() {
            let g = View::dense(&tape.logits[self.logits(i, b)], b, span.len()); // b x s
            let gy = ViewMut::strided(&mut tape.ln_f.gy[i * d..], b, d, t * d);
            multiply(gy, g, View::dense(&p[self.head(i)], span.len(), d));
        }
        let gx = &mut tape.gx;
        gx.fill(0.0);
        norm_backward(p, &self.layout.ln_f, &tape.ln_f, gx);
        for (layout, block) in self.layout.blocks.iter().zip(&mut tape.blocks).rev() {
            self.block_backward(p, layout, block, gx, &mut tape.gcontext);
        }
    }

    /// `gx` is the gradient of the block's output on entry and of its input on return.
    fn block_backward(&self, p: &[f32], l: &BlockLayout, k: &mut BlockTape, gx: &mut [f32], gcontext: &mut [f32]) {
        k.gout.copy_from_slice(gx);
        linear_back(p, &l.mlp_proj, gx, &mut k.ghidden); // n x 4d
        ops::gelu_back(&k.hidden, &mut k.ghidden);
        linear_back(p, &l.c_fc, &k.ghidden, &mut k.ln_2.gy); // n x d
        norm_backward(p, &l.ln_2, &k.ln_2, gx);
        k.gproj.copy_from_slice(gx);
        linear_back(p, &l.c_proj, gx, gcontext); // n x d
        self.attend_back(k, gcontext);
        linear_back(p, &l.c_attn, &k.gqkv, &mut k.ln_1.gy); // n x d
        norm_backward(p, &l.ln_1, &k.ln_1, gx);
    }

    /// Gradients of queries, keys and values from that of the context.
    fn attend_back(&self, k: &mut BlockTape, gcontext: &[f32]) {
        let (d, t, h, e) = (self.config.width, self.config.positions, self.config.heads, self.config.head_width());
        let rows = gcontext.len() / (t * d);
        let scale = 1.0 / (e as f32).sqrt();
        let mut gweights = vec![0f32; t];
        vectorised!(for b in 0..rows {
            let qkv = &k.qkv[b * t * 3 * d..(b + 1) * t * 3 * d]; // t x 3d
            let gqkv = &mut k.gqkv[b * t * 3 * d..(b + 1) * t * 3 * d]; // t x 3d
            gqkv.fill(0.0);
            for head in 0..h {
                let at = |which: usize, i: usize| i * 3 * d + which * d + head * e;
                for i in 0..t {
                    let weights = &k.weights[(b * h + head) * t * t + i * t..][..=i];
                    let g = &gcontext[(b * t + i) * d + head * e..][..e];
                    for (j, gw) in gweights[..=i].iter_mut().enumerate() {
                        *gw = dot(g, &qkv[at(2, j)..][..e]);
                    }
                    let mean = dot(weights, &gweights[..=i]);
                    for (j, w) in weights.iter().enumerate() {
                        let gscore = w * (gweights[j] - mean) * scale;
                        add_scaled(&mut gqkv[at(2, j)..][..e], *w, g);
                        add_scaled(&mut gqkv[at(0, i)..][..e], gscore, &qkv[at(1, j)..][..e]);
                        add_scaled(&mut gqkv[at(1, j)..][..e], gscore, &qkv[at(0, i)..][..e]);
                    }
                }
            }
        });
    }
}

/// `y = norm(x)`
pub(super) fn norm_forward(p: &[f32], norm: &Norm, x: &[f32], k: &mut NormTape) {
    let kept = Normed { unit: &mut k.unit, inverse: &mut k.inverse };
    ops::layer_norm(x, &p[norm.weight.clone()], &p[norm.bias.clone()], kept, &mut k.y);
}

/// `gx += norm'(gy)`
fn norm_backward(p: &[f32], norm: &Norm, k: &NormTape, gx: &mut [f32]) {
    ops::layer_norm_back(&k.gy, &p[norm.weight.clone()], &k.unit, &k.inverse, gx);
}

/// `y = x W + b`
pub(super) fn linear_forward(p: &[f32], l: &Linear, x: &[f32], y: &mut [f32]) {
    let n = x.len() / l.inputs;
    let w = View::dense(&p[l.weight.clone()], l.inputs, l.outputs);
    multiply(ViewMut::dense(y, n, l.outputs), View::dense(x, n, l.inputs), w);
    ops::add_bias(y, &p[l.bias.clone()]);
}

/// `y += x W + b`
pub(super) fn linear_add(p: &[f32], l: &Linear, x: &[f32], y: &mut [f32]) {
    let n = x.len() / l.inputs;
    let w = View::dense(&p[l.weight.clone()], l.inputs, l.outputs);
    multiply_add(ViewMut::dense(y, n, l.outputs), View::dense(x, n, l.inputs), w);
    ops::add_bias(y, &p[l.bias.clone()]);
}

/// `gx = gy W'`
fn linear_back(p: &[f32], l: &Linear, gy: &[f32], gx: &mut [f32]) {
    let n = gy.len() / l.outputs;
    let w = View::dense(&p[l.weight.clone()], l.inputs, l.outputs).transposed();
    multiply(ViewMut::dense(gx, n, l.inputs), View::dense(gy, n, l.outputs), w);
}
