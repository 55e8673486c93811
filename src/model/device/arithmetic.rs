//! Matrix products of the passes, in the precision that was chosen.

use candle_core::{DType, Result, Tensor};
use serde::{Deserialize, Serialize};

/// What the products of the forward and the backward pass are computed in. Norms, clipping factors and
/// sums are in single precision either way: a row's share of a sum is bounded by a norm of the very
/// numbers that are summed, and rounding them once more would break that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors and results rounded to bfloat16, added up in single precision.
    Bf16,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

impl Precision {
    /// `a b`, of matrices or of batches of them.
    pub fn product(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        match self {
            Self::F32 => a.matmul(b),
            Self::Bf16 => a.to_dtype(DType::BF16)?.matmul(&b.to_dtype(DType::BF16)?)?.to_dtype(DType::F32),
        }
    }
}

/// `gelu(x)` in the tanh form.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    let half = (x * 0.5)?;
    (&half * inside(x)?.tanh()?)? + &half
}

/// `gelu'(x) g`
pub fn gelu_back(x: &Tensor, g: &Tensor) -> Result<Tensor> {
    let tanh = inside(x)?.tanh()?;
    let slope = ((x.sqr()? * (3.0 * CUBIC))? + 1.0)?;
    let bend = (((tanh.sqr()?.neg()? + 1.0)? * slope)? * (x * (0.5 * SCALE))?)?;
    g * (((tanh * 0.5)? + 0.5)? + bend)?
}

const CUBIC: f64 = 0.044_715;
/// The square root of 2 over pi.
const SCALE: f64 = 0.797_884_560_802_865_4;

fn inside(x: &Tensor) -> Result<Tensor> {
    ((x.sqr()? * x)? * CUBIC)?.add(x)? * SCALE
}
