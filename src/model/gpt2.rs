//! GPT-2: pre-norm blocks, gelu (tanh form), learned positions, biases everywhere
//! (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; names and layouts
//! as in Hugging Face's `modeling_gpt2`). Forward and backward are scheduled by hand on slices.
//!
//! Letters in comments: `b` rows of the chunk, `t` places, `n = b t`, `d` width, `h` heads, `r` rank
//! of low-rank updates.

use super::attention::Attention;
use super::config::{Config, ConfigError};
use super::head::Heads;
use super::layout::{BlockLayout, Layout};
use super::ops::{self, add_scaled};
use super::tape::{BlockGradients, BlockTape, Tape};
use super::trained::Trained;

/// A model's shape: sizes, where the parameters lie, and which tokens each place may write.
///
/// The parameters are not part of it: they are a flat slice of [`Layout::len`] numbers.
#[derive(Clone, Debug)]
pub struct Gpt2 {
    config: Config,
    layout: Layout,
    trained: Trained,
    heads: Heads,
    longest: usize,
}

impl Gpt2 {
    /// A model whose rows have at most `longest` places, all parameters trained.
    ///
    /// # Errors
    /// [`ConfigError`] when sizes are zero or do not fit each other, or the heads do not fit them.
    pub fn new(config: Config, heads: Heads, longest: usize) -> Result<Self, ConfigError> {
        config.check()?;
        heads.check(&config, longest)?;
        let trained = Trained::Full;
        Ok(Self { layout: Layout::new(&config, &trained), config, trained, heads, longest })
    }

    /// The same model with other parameters trained. Plain parameters stay where they are.
    ///
    /// # Errors
    /// [`ConfigError::Trained`] when nothing would be.
    pub fn training(mut self, trained: Trained) -> Result<Self, ConfigError> {
        self.layout = Layout::new(&self.config, &trained);
        self.trained = trained;
        let wanted = match trained {
            Trained::Full | Trained::Heads => true,
            Trained::Lora { rank, targets, .. } => rank > 0 && targets.any() && self.config.layers > 0,
            Trained::Adapter { width } => width > 0 && self.config.layers > 0,
        };
        if !wanted {
            return Err(ConfigError::Trained);
        }
        Ok(self)
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

    /// What is trained.
    #[must_use]
    pub fn trained(&self) -> &Trained {
        &self.trained
    }

    /// What each place may write.
    #[must_use]
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// The most places of a row.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Rank of its low-rank updates, 0 without.
    pub(super) fn rank(&self) -> usize {
        match self.trained {
            Trained::Lora { rank, .. } => rank,
            _ => 0,
        }
    }

    fn attention(&self) -> Attention {
        Attention { heads: self.config.heads, width: self.config.width }
    }

    /// From `tape.targets` to `tape.ln_f.y`: what the heads read.
    pub(super) fn forward(&self, p: &[f32], tape: &mut Tape) {
        self.embed(p, tape);
        let (n, d, t) = (tape.n(), self.config.width, tape.t);
        let x = &mut tape.x[..n * d];
        for (layout, block) in self.layout.blocks.iter().zip(&mut tape.blocks) {
            self.block_forward(p, layout, block, (x, t));
        }
        self.layout.ln_f.forward(p, x, &mut tape.ln_f);
    }

    /// `x = wte[inputs] + wpe`; inputs are the targets moved right by one, after the opening token.
    fn embed(&self, p: &[f32], tape: &mut Tape) {
        let (d, t) = (self.config.width, tape.t);
        let (wte, wpe) = (self.layout.wte.of(p), self.layout.wpe.of(p));
        for i in 0..tape.n() {
            let token = if i.is_multiple_of(t) { self.config.opening } else { tape.targets[i - 1] };
            tape.inputs[i] = token;
            let x = &mut tape.x[i * d..(i + 1) * d]; // d
            x.copy_from_slice(&wte[token as usize * d..][..d]);
            add_scaled(x, 1.0, &wpe[(i % t) * d..][..d]);
        }
    }

    /// `x += attention(ln_1(x)); x += mlp(ln_2(x))`, and the adapter if there is one.
    fn block_forward(&self, p: &[f32], l: &BlockLayout, k: &mut BlockTape, (x, t): (&mut [f32], usize)) {
        let d = self.config.width;
        let n = x.len() / d;
        let [u_attn, u_proj, u_fc, u_mlp] = &mut k.inner; // n x r each
        l.ln_1.forward(p, x, &mut k.ln_1); // n x d
        let qkv = &mut k.qkv[..n * 3 * d];
        l.c_attn.forward(p, &k.ln_1.y[..n * d], qkv, u_attn); // n x 3d
        let context = &mut k.context[..n * d];
        self.attention().forward(t, qkv, &mut k.weights, context); // n x d
        l.c_proj.add(p, context, x, u_proj); // n x d
        l.ln_2.forward(p, x, &mut k.ln_2); // n x d
        let (hidden, active) = (&mut k.hidden[..n * 4 * d], &mut k.active[..n * 4 * d]);
        l.c_fc.matrix(p, &k.ln_2.y[..n * d], hidden, u_fc); // n x 4d
        ops::gelu(hidden, l.c_fc.bias.of(p), active); // n x 4d
        l.mlp_proj.add(p, active, x, u_mlp); // n x d
        let Some(adapter) = &l.adapter else { return };
        let w = adapter.down.outputs;
        let [input, hidden, active] = &mut k.adapter;
        input[..n * d].copy_from_slice(x);
        adapter.down.matrix(p, x, &mut hidden[..n * w], &mut []); // n x w
        ops::gelu(&mut hidden[..n * w], adapter.down.bias.of(p), &mut active[..n * w]); // n x w
        adapter.up.add(p, &active[..n * w], x, &mut []); // n x d
    }

    /// From the gradients of the logits to those of every block's outputs. `visit` is given each block
    /// as soon as its gradients are there, the last one first.
    pub(super) fn backward<F>(&self, p: &[f32], tape: &mut Tape, mut visit: F)
    where
        F: FnMut(&BlockLayout, &BlockTape, &mut BlockGradients),
    {
        if !self.layout.trains_body() {
            return;
        }
        self.heads.backward(self, p, tape);
        let (n, d, t) = (tape.n(), self.config.width, tape.t);
        let (gx, gcontext) = (&mut tape.gx[..n * d], &mut tape.gcontext[..n * d]);
        gx.fill(0.0);
        self.layout.ln_f.back(p, &tape.ln_f, &tape.gy_f, gx);
        let owners = tape.gradients.len();
        for (i, (l, k)) in self.layout.blocks.iter().zip(&tape.blocks).enumerate().rev() {
            let g = &mut tape.gradients[i % owners];
            self.block_backward(p, l, (k, g, t), gx, gcontext);
            visit(l, k, g);
        }
    }

    /// `gx` is the gradient of the block's output on entry and of its input on return.
    fn block_backward(
        &self,
        p: &[f32],
        l: &BlockLayout,
        (k, g, t): (&BlockTape, &mut BlockGradients, usize),
        gx: &mut [f32],
        gcontext: &mut [f32],
    ) {
        let d = self.config.width;
        let n = gx.len() / d;
        let [u_attn, u_proj, u_fc, u_mlp] = &mut g.ginner; // n x r each
        if let Some(adapter) = &l.adapter {
            let w = adapter.down.outputs;
            let [gafter, ghidden] = &mut g.gadapter;
            gafter[..n * d].copy_from_slice(gx);
            adapter.up.back(p, gx, &mut ghidden[..n * w], &mut []); // n x w
            ops::gelu_back(&k.adapter[1][..n * w], &mut ghidden[..n * w]);
            adapter.down.back(p, &ghidden[..n * w], gcontext, &mut []); // n x d
            ops::add(gx, gcontext);
        }
        g.gout[..n * d].copy_from_slice(gx);
        let ghidden = &mut g.ghidden[..n * 4 * d];
        l.mlp_proj.back(p, gx, ghidden, u_mlp); // n x 4d
        ops::gelu_back(&k.hidden[..n * 4 * d], ghidden);
        l.c_fc.back(p, ghidden, &mut g.gy_2[..n * d], u_fc); // n x d
        l.ln_2.back(p, &k.ln_2, &g.gy_2, gx);
        g.gproj[..n * d].copy_from_slice(gx);
        l.c_proj.back(p, gx, gcontext, u_proj); // n x d
        let gqkv = &mut g.gqkv[..n * 3 * d];
        self.attention().back(t, (&k.qkv[..n * 3 * d], &k.weights), gcontext, gqkv);
        l.c_attn.back(p, gqkv, &mut g.gy_1[..n * d], u_attn); // n x d
        l.ln_1.back(p, &k.ln_1, &g.gy_1, gx);
    }
}
