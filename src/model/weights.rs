//! Weights as safetensors bytes, named as Hugging Face's `GPT2LMHeadModel` names them.

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device};
use serde_json::{Map, json};

use super::layout::Layout;

/// Hugging Face's name of the model inside `GPT2LMHeadModel`.
const PREFIX: &str = "transformer.";

/// Why bytes are not the weights of a model.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// They are not safetensors, or lack a tensor.
    #[error("weights: {0}")]
    Format(#[from] candle_core::Error),
    /// A tensor has another shape.
    #[error("weights: {name} has another shape than the model")]
    Shape {
        /// The tensor.
        name: String,
    },
}

/// The parameters as a safetensors file: 8 bytes length, a JSON header, the numbers (little-endian).
#[must_use]
pub fn write_weights(layout: &Layout, parameters: &[f32]) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    for tensor in layout.tensors() {
        let entry = json!({
            "dtype": "F32",
            "shape": tensor.shape,
            "data_offsets": [tensor.range.start * 4, tensor.range.end * 4],
        });
        header.insert(format!("{PREFIX}{}", tensor.name), entry);
    }
    let mut header = json!(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(parameters.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

/// Reads what [`write_weights`] or Hugging Face wrote, with or without the `transformer.` prefix.
///
/// # Errors
/// [`WeightsError`] when the bytes are no safetensors or the tensors are not this model's.
pub fn read_weights(layout: &Layout, bytes: &[u8]) -> Result<Vec<f32>, WeightsError> {
    let file = SliceSafetensors::new(bytes)?;
    let mut parameters = vec![0f32; layout.len()];
    for tensor in layout.tensors() {
        let prefixed = format!("{PREFIX}{}", tensor.name);
        let stored = file.load(&prefixed, &Device::Cpu).or_else(|_| file.load(&tensor.name, &Device::Cpu))?;
        if stored.dims() != tensor.shape {
            return Err(WeightsError::Shape { name: tensor.name.clone() });
        }
        let values = stored.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        parameters[tensor.range.clone()].copy_from_slice(&values);
    }
    Ok(parameters)
}
