//! Where each parameter lies in the flat vector, under Hugging Face's names, and where its gradient
//! lies in the vector of trained ones.
//!
//! The parameters of a plain GPT-2 come first and lie at the same places whatever is trained; what
//! training adds (low-rank updates, adapters, an output matrix of its own) follows.

use std::ops::Range;

use super::config::Config;
use super::trained::{Targets, Trained};

/// The place of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Among all parameters.
    pub range: Range<usize>,
    /// Among the trained ones, if it is one.
    pub slot: Option<Range<usize>>,
}

/// A layer norm: `width` gains, `width` biases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Norm {
    /// Gains.
    pub weight: Part,
    /// Biases.
    pub bias: Part,
}

/// An affine map `y = x W + b`; `W` is `inputs x outputs` (GPT-2's Conv1D orientation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// The matrix, row-major.
    pub weight: Part,
    /// The biases.
    pub bias: Part,
    /// Width of what goes in.
    pub inputs: usize,
    /// Width of what comes out.
    pub outputs: usize,
    /// What is added to it.
    pub update: Option<LowRank>,
}

/// A low-rank update `scale (x A) B` of an affine map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowRank {
    /// `A`, `inputs x rank`.
    pub down: Part,
    /// `B`, `rank x outputs`.
    pub up: Part,
    /// Width of `x A`.
    pub rank: usize,
    /// `alpha` of the scale `alpha / rank`.
    pub alpha: u32,
}

/// A bottleneck at the end of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// `d -> width`.
    pub down: Linear,
    /// `width -> d`.
    pub up: Linear,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockLayout {
    /// Norm before attention.
    pub ln_1: Norm,
    /// Queries, keys and values: `d -> 3d`.
    pub c_attn: Linear,
    /// Attention's way out: `d -> d`.
    pub c_proj: Linear,
    /// Norm before the MLP.
    pub ln_2: Norm,
    /// Into the MLP: `d -> 4d`.
    pub c_fc: Linear,
    /// Out of the MLP: `4d -> d`.
    pub mlp_proj: Linear,
    /// After the MLP.
    pub adapter: Option<Adapter>,
}

/// A named part of the flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTensor {
    /// Hugging Face's name without the `transformer.` prefix.
    pub name: String,
    /// Its shape; row-major.
    pub shape: Vec<usize>,
    /// Where it lies.
    pub range: Range<usize>,
    /// Where its gradient lies.
    pub slot: Option<Range<usize>>,
}

/// Where trained parameters lie among all of them, and where their gradients lie.
pub type Move = (Range<usize>, Range<usize>);

/// The whole flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Token embeddings, `vocabulary x d`; also the output matrix, unless there is a `head`.
    pub wte: Part,
    /// Position embeddings, `positions x d`.
    pub wpe: Part,
    /// The blocks, bottom up.
    pub blocks: Vec<BlockLayout>,
    /// The last norm.
    pub ln_f: Norm,
    /// An output matrix of its own, `vocabulary x d`.
    pub head: Option<Part>,
    tensors: Vec<NamedTensor>,
    moves: Vec<Move>,
    trained: usize,
}

impl Part {
    /// The tensor itself, out of all parameters.
    #[must_use]
    pub fn of<'p>(&self, parameters: &'p [f32]) -> &'p [f32] {
        &parameters[self.range.clone()]
    }
}

impl Layout {
    /// Lays out a model.
    #[must_use]
    pub fn new(config: &Config, trained: &Trained) -> Self {
        let d = config.width;
        let mut pen = Pen { tensors: Vec::new(), at: 0, slots: 0, trained: *trained == Trained::Full };
        let wte = pen.tensor("wte.weight".into(), vec![config.vocabulary, d]);
        let wpe = pen.tensor("wpe.weight".into(), vec![config.positions, d]);
        let mut blocks: Vec<BlockLayout> = (0..config.layers)
            .map(|l| BlockLayout {
                ln_1: pen.norm(&format!("h.{l}.ln_1"), d),
                c_attn: pen.linear(&format!("h.{l}.attn.c_attn"), d, 3 * d),
                c_proj: pen.linear(&format!("h.{l}.attn.c_proj"), d, d),
                ln_2: pen.norm(&format!("h.{l}.ln_2"), d),
                c_fc: pen.linear(&format!("h.{l}.mlp.c_fc"), d, 4 * d),
                mlp_proj: pen.linear(&format!("h.{l}.mlp.c_proj"), 4 * d, d),
                adapter: None,
            })
            .collect();
        let ln_f = pen.norm("ln_f", d);
        pen.trained = true;
        let mut head = None;
        match *trained {
            Trained::Full => {}
            Trained::Heads => head = Some(pen.tensor("lm_head.weight".into(), vec![config.vocabulary, d])),
            Trained::Lora { rank, alpha, targets } => {
                for (l, block) in blocks.iter_mut().enumerate() {
                    pen.updates(l, block, targets, (rank, alpha));
                }
            }
            Trained::Adapter { width } => {
                for (l, block) in blocks.iter_mut().enumerate() {
                    let down = pen.linear(&format!("h.{l}.adapter.down"), d, width);
                    let up = pen.linear(&format!("h.{l}.adapter.up"), width, d);
                    block.adapter = Some(Adapter { down, up });
                }
            }
        }
        let moves = moves(&pen.tensors);
        Self { wte, wpe, blocks, ln_f, head, tensors: pen.tensors, moves, trained: pen.slots }
    }

    /// Numbers in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |last| last.range.end)
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of a plain GPT-2, which come first.
    #[must_use]
    pub fn plain_len(&self) -> usize {
        self.ln_f.bias.range.end
    }

    /// Numbers that are trained: the length of a gradient.
    #[must_use]
    pub fn trained_len(&self) -> usize {
        self.trained
    }

    /// The matrix that turns hidden states into logits, `vocabulary x d`.
    #[must_use]
    pub fn output(&self) -> &Part {
        self.head.as_ref().unwrap_or(&self.wte)
    }

    /// Whether anything below the output matrix is trained.
    #[must_use]
    pub fn trains_body(&self) -> bool {
        self.head.is_none()
    }

    /// Every part with its name, in the order of the vector, without gaps.
    #[must_use]
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.tensors
    }

    /// Places of the trained parameters with those of their gradients, in order, neighbours joined.
    #[must_use]
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }
}

fn moves(tensors: &[NamedTensor]) -> Vec<Move> {
    let mut moves: Vec<Move> = Vec::new();
    for tensor in tensors {
        let Some(slot) = tensor.slot.clone() else { continue };
        match moves.last_mut() {
            Some((at, of)) if at.end == tensor.range.start => (at.end, of.end) = (tensor.range.end, slot.end),
            _ => moves.push((tensor.range.clone(), slot)),
        }
    }
    moves
}

/// Writes names down one after the other.
struct Pen {
    tensors: Vec<NamedTensor>,
    at: usize,
    slots: usize,
    trained: bool,
}

impl Pen {
    fn tensor(&mut self, name: String, shape: Vec<usize>) -> Part {
        let length = shape.iter().product::<usize>();
        let range = self.at..self.at + length;
        self.at = range.end;
        let slot = self.trained.then(|| self.slots..self.slots + length);
        self.slots += if self.trained { length } else { 0 };
        self.tensors.push(NamedTensor { name, shape, range: range.clone(), slot: slot.clone() });
        Part { range, slot }
    }

    fn norm(&mut self, name: &str, width: usize) -> Norm {
        Norm {
            weight: self.tensor(format!("{name}.weight"), vec![width]),
            bias: self.tensor(format!("{name}.bias"), vec![width]),
        }
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Linear {
        Linear {
            weight: self.tensor(format!("{name}.weight"), vec![inputs, outputs]),
            bias: self.tensor(format!("{name}.bias"), vec![outputs]),
            inputs,
            outputs,
            update: None,
        }
    }

    /// The low-rank updates of block `l`, of the given rank and alpha.
    fn updates(&mut self, l: usize, block: &mut BlockLayout, targets: Targets, (rank, alpha): (usize, u32)) {
        let linears = [
            ("attn.c_attn", &mut block.c_attn, targets.c_attn),
            ("attn.c_proj", &mut block.c_proj, targets.c_proj),
            ("mlp.c_fc", &mut block.c_fc, targets.c_fc),
            ("mlp.c_proj", &mut block.mlp_proj, targets.mlp_proj),
        ];
        for (name, linear, wanted) in linears {
            if wanted {
                let down = self.tensor(format!("h.{l}.{name}.lora_A.weight"), vec![linear.inputs, rank]);
                let up = self.tensor(format!("h.{l}.{name}.lora_B.weight"), vec![rank, linear.outputs]);
                linear.update = Some(LowRank { down, up, rank, alpha });
            }
        }
    }
}
