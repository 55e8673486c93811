//! What of a model is trained; the rest stays as it is, without gradient, norm or noise.

use serde::{Deserialize, Serialize};

/// The parameters that training moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trained {
    /// All of them.
    #[default]
    Full,
    /// Low-rank updates beside frozen matrices: `x W + (alpha / rank) (x A) B` (`LoRA`, Hu et al. 2022).
    Lora {
        /// Width of `x A`.
        rank: usize,
        /// Scale of the update, times `rank`.
        alpha: u32,
        /// The matrices that get one.
        targets: Targets,
    },
    /// The output matrix alone, untied from the embeddings.
    Heads,
    /// A bottleneck at the end of every block: `x + gelu(x D + b) U + c` (Houlsby et al. 2019, in the
    /// one-a-block form of Pfeiffer et al. 2021).
    Adapter {
        /// Width of the bottleneck.
        width: usize,
    },
}

/// The matrices of a block, by Hugging Face's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// `attn.c_attn`: queries, keys and values.
    pub c_attn: bool,
    /// `attn.c_proj`: attention's way out.
    pub c_proj: bool,
    /// `mlp.c_fc`: into the MLP.
    pub c_fc: bool,
    /// `mlp.c_proj`: out of the MLP.
    pub mlp_proj: bool,
}

impl Targets {
    /// Every matrix.
    pub const ALL: Self = Self { c_attn: true, c_proj: true, c_fc: true, mlp_proj: true };

    /// Whether there is one at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.c_attn || self.c_proj || self.c_fc || self.mlp_proj
    }
}
