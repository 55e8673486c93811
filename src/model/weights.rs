//! Weights as safetensors bytes, named as Hugging Face's `GPT2LMHeadModel` names them.

use std::collections::HashSet;

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device};
use serde_json::{Map, json};

use super::layout::Layout;

/// Hugging Face's name of the model inside `GPT2LMHeadModel`.
const PREFIX: &str = "transformer.";

/// The output matrix, which lies beside that model.
const OUTPUT: &str = "lm_head.weight";

/// Why bytes are not the weights of a model. Nothing is loaded then.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// They are not safetensors.
    #[error("weights: not a safetensors file, or a damaged one: {0}")]
    Format(candle_core::Error),
    /// They are a Python pickle, which is a program and is never opened.
    #[error("weights: a pickle (pytorch_model.bin) is not read: save the model as safetensors")]
    Pickle,
    /// A tensor is not there.
    #[error("weights: {name} is missing")]
    Missing {
        /// The tensor.
        name: String,
    },
    /// A tensor is there that the model has not.
    #[error("weights: the model has no {name}")]
    Extra {
        /// The tensor.
        name: String,
    },
    /// A tensor has another shape or type.
    #[error("weights: {name} is {found}, and the model wants {wanted:?} of floating-point numbers")]
    Shape {
        /// The tensor.
        name: String,
        /// What is there.
        found: String,
        /// The shape it should have.
        wanted: Vec<usize>,
    },
    /// A number is infinite or none.
    #[error("weights: {name} holds numbers that are not finite")]
    NotFinite {
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
        header.insert(stored_name(&tensor.name), entry);
    }
    let mut header = json!(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(parameters.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

fn stored_name(name: &str) -> String {
    if name == OUTPUT { name.into() } else { format!("{PREFIX}{name}") }
}

/// Reads what [`write_weights`] or Hugging Face wrote, with or without the `transformer.` prefix, in
/// any floating-point type. The masks that old checkpoints carry are passed over, and so is an output
/// matrix that is the embeddings once more.
///
/// # Errors
/// [`WeightsError`] when the bytes are no safetensors or the tensors are not this model's.
pub fn read_weights(layout: &Layout, bytes: &[u8]) -> Result<Vec<f32>, WeightsError> {
    if is_pickle(bytes) {
        return Err(WeightsError::Pickle);
    }
    let file = SliceSafetensors::new(bytes).map_err(WeightsError::Format)?;
    let stored: HashSet<String> = file.tensors().into_iter().map(|(name, _)| name).collect();
    let prefix = if stored.contains(&stored_name("wte.weight")) { PREFIX } else { "" };
    let mut parameters = vec![0f32; layout.len()];
    let mut known = HashSet::new();
    for tensor in layout.tensors() {
        let name = if tensor.name == OUTPUT { OUTPUT.into() } else { format!("{prefix}{}", tensor.name) };
        if !stored.contains(&name) {
            return Err(WeightsError::Missing { name });
        }
        let values = read_tensor(&file, &name, &tensor.shape)?;
        parameters[tensor.range.clone()].copy_from_slice(&values);
        known.insert(name);
    }
    let mut others: Vec<String> = stored.into_iter().filter(|name| !known.contains(name) && !is_mask(name)).collect();
    others.sort_unstable();
    for name in others {
        let again = name == OUTPUT
            && read_tensor(&file, OUTPUT, &layout.tensors()[0].shape)
                .is_ok_and(|head| head == layout.wte.of(&parameters));
        if !again {
            return Err(WeightsError::Extra { name });
        }
    }
    Ok(parameters)
}

/// The zip archive that torch saves, or a bare pickle: 0x80, its protocol, then operations, where
/// safetensors has the eight bytes of a header's length.
pub(super) fn is_pickle(bytes: &[u8]) -> bool {
    let (length, bare) = (bytes.first_chunk::<8>(), bytes.len() > 1 && bytes[0] == 0x80 && bytes[1] <= 5);
    bytes.starts_with(b"PK\x03\x04") || (bare && length.is_some_and(|&l| u64::from_le_bytes(l) > 1 << 32))
}

/// The causal mask and the value it masks with, which old versions of transformers stored.
fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

fn read_tensor(file: &SliceSafetensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
    let tensor = file.load(name, &Device::Cpu).map_err(WeightsError::Format)?;
    if tensor.dims() != shape || !tensor.dtype().is_float() {
        let found = format!("{:?} of {}", tensor.dims(), tensor.dtype().as_str());
        return Err(WeightsError::Shape { name: name.into(), found, wanted: shape.to_vec() });
    }
    let numbers = tensor.to_dtype(DType::F32).and_then(|x| x.flatten_all()).and_then(|x| x.to_vec1::<f32>());
    let numbers = numbers.map_err(WeightsError::Format)?;
    if numbers.iter().all(|x| x.is_finite()) { Ok(numbers) } else { Err(WeightsError::NotFinite { name: name.into() }) }
}
