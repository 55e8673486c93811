//! All parameters on the device: one flat vector, as on the host.

use candle_core::{Device, Result, Tensor};

use crate::model::layout::Part;

/// The flat vector of a step.
pub struct Parameters {
    flat: Tensor,
}

impl Parameters {
    /// Copies the vector there.
    pub fn new(parameters: &[f32], device: &Device) -> Result<Self> {
        Ok(Self { flat: Tensor::from_slice(parameters, parameters.len(), device)? })
    }

    /// The matrix of a part, `rows x columns`.
    pub fn matrix(&self, part: &Part, columns: usize) -> Result<Tensor> {
        self.vector(part)?.reshape((part.range.len() / columns, columns))
    }

    /// The vector of a part.
    pub fn vector(&self, part: &Part) -> Result<Tensor> {
        self.flat.narrow(0, part.range.start, part.range.len())
    }
}
