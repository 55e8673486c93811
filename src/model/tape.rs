//! What one chunk of rows leaves behind on its way through the model: layer inputs from the forward
//! pass, output gradients from the backward pass. Allocated once and reused for every chunk.

use super::config::Config;

/// Buffers for `rows` rows of `t` positions; `n = rows * t`.
pub struct Tape {
    /// Rows of a chunk.
    pub rows: usize,
    /// The tokens read: the opening token, then the row without its last token, `n`.
    pub inputs: Vec<u32>,
    /// The tokens to predict: the row, `n`.
    pub targets: Vec<u32>,
    /// Hidden states on the way up, `n x d`.
    pub x: Vec<f32>,
    /// Their gradient on the way down; at the end that of the embeddings, `n x d`.
    pub gx: Vec<f32>,
    /// One per block.
    pub blocks: Vec<BlockTape>,
    /// The last norm.
    pub ln_f: NormTape,
    /// Logits, then their gradients: for each position `rows x span`, one position after the other.
    pub logits: Vec<f32>,
    /// Loss of each row.
    pub loss: Vec<f32>,
    /// Gradient of a block's context, `n x d`.
    pub gcontext: Vec<f32>,
    /// Squared gradient norm of each row, then its clipping factor.
    pub norms: Vec<f64>,
}

/// A layer norm's side of the tape.
pub struct NormTape {
    /// Normalised rows, `n x d`.
    pub unit: Vec<f32>,
    /// 1 / standard deviation, `n`.
    pub inverse: Vec<f32>,
    /// Output, `n x d`.
    pub y: Vec<f32>,
    /// Gradient of the output, `n x d`.
    pub gy: Vec<f32>,
}

/// A block's side of the tape.
pub struct BlockTape {
    /// Before attention.
    pub ln_1: NormTape,
    /// Queries, keys, values, `n x 3d`.
    pub qkv: Vec<f32>,
    /// Gradient of the queries, keys and values, `n x 3d`.
    pub gqkv: Vec<f32>,
    /// Attention weights, `rows x heads x t x t`.
    pub weights: Vec<f32>,
    /// Attention's sum of values, `n x d`.
    pub context: Vec<f32>,
    /// Gradient of the projection's output, `n x d`.
    pub gproj: Vec<f32>,
    /// Before the MLP.
    pub ln_2: NormTape,
    /// Before gelu, `n x 4d`.
    pub hidden: Vec<f32>,
    /// Gradient before gelu, `n x 4d`.
    pub ghidden: Vec<f32>,
    /// After gelu, `n x 4d`.
    pub active: Vec<f32>,
    /// Gradient of the block's output, `n x d`.
    pub gout: Vec<f32>,
}

impl NormTape {
    /// Buffers for `n` rows of `d`.
    pub fn new(n: usize, d: usize) -> Self {
        Self { unit: vec![0.0; n * d], inverse: vec![0.0; n], y: vec![0.0; n * d], gy: vec![0.0; n * d] }
    }
}

impl Tape {
    /// Buffers for `rows` rows.
    pub fn new(config: &Config, rows: usize) -> Self {
        let (d, t) = (config.width, config.positions);
        let n = rows * t;
        let block = || BlockTape {
            ln_1: NormTape::new(n, d),
            qkv: vec![0.0; n * 3 * d],
            gqkv: vec![0.0; n * 3 * d],
            weights: vec![0.0; n * config.heads * t],
            context: vec![0.0; n * d],
            gproj: vec![0.0; n * d],
            ln_2: NormTape::new(n, d),
            hidden: vec![0.0; n * 4 * d],
            ghidden: vec![0.0; n * 4 * d],
            active: vec![0.0; n * 4 * d],
            gout: vec![0.0; n * d],
        };
        Self {
            rows,
            inputs: vec![0; n],
            targets: vec![0; n],
            x: vec![0.0; n * d],
            gx: vec![0.0; n * d],
            blocks: (0..config.layers).map(|_| block()).collect(),
            ln_f: NormTape::new(n, d),
            logits: vec![0.0; rows * config.vocabulary],
            loss: vec![0.0; rows],
            gcontext: vec![0.0; n * d],
            norms: vec![0.0; rows],
        }
    }
}
