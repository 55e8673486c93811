//! Where a job stands after a block, as bytes: weights, optimiser, and the blocks behind it.
//!
//! Never a key, a sampled index or a loss: everything in here is a function of released gradients.
//! The format is one line of JSON and then single-precision numbers, little-endian.

use serde::{Deserialize, Serialize};

use super::optimiser::Adam;

/// The state of training between two blocks. Before block 0 it is what stage 1 left.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Private blocks that are behind it.
    pub blocks: u32,
    /// The weights.
    pub weights: Vec<f32>,
    /// Moments and steps of the optimiser of stage 2.
    pub adam: Adam,
}

/// Bytes that are not a checkpoint of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint cannot be read, or belongs to another model")]
pub struct BadCheckpoint;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    blocks: u32,
    steps: u32,
    parameters: usize,
    trained: usize,
}

const FORMAT: u32 = 2;

impl Checkpoint {
    /// The checkpoint as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            format: FORMAT,
            blocks: self.blocks,
            steps: self.adam.steps,
            parameters: self.weights.len(),
            trained: self.adam.first.len(),
        };
        let mut bytes = serde_json::json!(header).to_string().into_bytes();
        bytes.push(b'\n');
        bytes.reserve_exact(Self::bytes(self.weights.len(), self.adam.first.len()));
        for part in [&self.weights, &self.adam.first, &self.adam.second] {
            bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
        }
        bytes
    }

    /// Bytes of a checkpoint of so many parameters, as bytes, within a line.
    #[must_use]
    pub fn bytes(parameters: usize, trained: usize) -> usize {
        4 * parameters + 8 * trained
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote for a model of `parameters` numbers, `trained` of which
    /// are trained.
    ///
    /// # Errors
    /// [`BadCheckpoint`] for anything else.
    pub fn from_bytes(bytes: &[u8], parameters: usize, trained: usize) -> Result<Self, BadCheckpoint> {
        let end = bytes.iter().position(|&b| b == b'\n').ok_or(BadCheckpoint)?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|_| BadCheckpoint)?;
        let (numbers, rest) = bytes[end + 1..].as_chunks::<4>();
        if header.format != FORMAT
            || header.parameters != parameters
            || header.trained != trained
            || numbers.len() != parameters + 2 * trained
            || !rest.is_empty()
        {
            return Err(BadCheckpoint);
        }
        let floats = |part: &[[u8; 4]]| part.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let (weights, moments) = numbers.split_at(parameters);
        let (first, second) = moments.split_at(trained);
        let adam = Adam { first: floats(first), second: floats(second), steps: header.steps };
        Ok(Self { blocks: header.blocks, weights: floats(weights), adam })
    }
}
