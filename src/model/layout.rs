//! Where each parameter lies in the flat vector, under Hugging Face's names.

use std::ops::Range;

use super::config::Config;

/// A layer norm: `width` gains, `width` biases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Norm {
    /// Gains.
    pub weight: Range<usize>,
    /// Biases.
    pub bias: Range<usize>,
}

/// An affine map `y = x W + b`; `W` is `inputs x outputs` (GPT-2's Conv1D orientation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// The matrix, row-major.
    pub weight: Range<usize>,
    /// The biases.
    pub bias: Range<usize>,
    /// Width of what goes in.
    pub inputs: usize,
    /// Width of what comes out.
    pub outputs: usize,
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
}

/// The whole flat vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Token embeddings, `vocabulary x d`; also the output matrix (tied).
    pub wte: Range<usize>,
    /// Position embeddings, `positions x d`.
    pub wpe: Range<usize>,
    /// The blocks, bottom up.
    pub blocks: Vec<BlockLayout>,
    /// The last norm.
    pub ln_f: Norm,
    tensors: Vec<NamedTensor>,
}

impl Layout {
    /// Lays out a model.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let d = config.width;
        let mut pen = Pen { tensors: Vec::new(), at: 0 };
        let wte = pen.tensor("wte.weight".into(), vec![config.vocabulary, d]);
        let wpe = pen.tensor("wpe.weight".into(), vec![config.positions, d]);
        let blocks = (0..config.layers)
            .map(|l| BlockLayout {
                ln_1: pen.norm(&format!("h.{l}.ln_1"), d),
                c_attn: pen.linear(&format!("h.{l}.attn.c_attn"), d, 3 * d),
                c_proj: pen.linear(&format!("h.{l}.attn.c_proj"), d, d),
                ln_2: pen.norm(&format!("h.{l}.ln_2"), d),
                c_fc: pen.linear(&format!("h.{l}.mlp.c_fc"), d, 4 * d),
                mlp_proj: pen.linear(&format!("h.{l}.mlp.c_proj"), 4 * d, d),
            })
            .collect();
        let ln_f = pen.norm("ln_f", d);
        Self { wte, wpe, blocks, ln_f, tensors: pen.tensors }
    }

    /// Numbers in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ln_f.bias.end
    }

    /// Never true; here because `len` is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every part with its name, in the order of the vector, without gaps.
    #[must_use]
    pub fn tensors(&self) -> &[NamedTensor] {
        &self.tensors
    }
}

/// Writes names down one after the other.
struct Pen {
    tensors: Vec<NamedTensor>,
    at: usize,
}

impl Pen {
    fn tensor(&mut self, name: String, shape: Vec<usize>) -> Range<usize> {
        let range = self.at..self.at + shape.iter().product::<usize>();
        self.at = range.end;
        self.tensors.push(NamedTensor { name, shape, range: range.clone() });
        range
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
        }
    }
}
