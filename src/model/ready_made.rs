//! A ready-made model: shape, weights and tokenizer, read from the files of a Hugging Face checkpoint as one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config::{Config, ConfigError};
use super::digest::Digest;
use super::layout::Layout;
use super::tokenizer::{Tokenizer, TokenizerError};
use super::trained::Trained;
use super::weights::{WeightsError, is_pickle, read_weights};

/// The files of a checkpoint, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointFiles<'f> {
    /// `config.json`.
    pub config: &'f [u8],
    /// `model.safetensors`.
    pub weights: &'f [u8],
    /// The tokenizer.
    pub tokenizer: TokenizerFiles<'f>,
}

/// The files of a tokenizer, as bytes.
#[derive(Clone, Copy, Debug)]
pub enum TokenizerFiles<'f> {
    /// `tokenizer.json`.
    Whole(&'f [u8]),
    /// `vocab.json` and `merges.txt`.
    Parts {
        /// `vocab.json`.
        vocabulary: &'f [u8],
        /// `merges.txt`.
        merges: &'f [u8],
    },
}

/// A model that somebody else has trained, whole and checked.
#[derive(Clone, Debug)]
pub struct ReadyMade {
    /// Its shape.
    pub config: Config,
    /// Its parameters, in the order of [`Layout`].
    pub weights: Vec<f32>,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
}

/// What is known of a ready-made model without opening its weights: enough to plan with, and to tell
/// later whether it is still the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its name in the settings.
    pub name: String,
    /// Its shape.
    pub config: Config,
    /// The SHA-256 of each file that it is read from, `config.json` among them.
    pub files: BTreeMap<String, Digest>,
}

/// Why files are no model that can be trained here. Nothing is loaded then.
#[derive(Debug, thiserror::Error)]
pub enum ReadyMadeError {
    /// `config.json` is not JSON.
    #[error("config.json: not JSON, or a damaged file")]
    NotJson,
    /// `config.json` describes another architecture, or none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `config.json` describes more parameters than the file of weights has bytes for.
    #[error("config.json describes a model that is larger than model.safetensors")]
    Larger,
    /// The weights are not those of the model.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The tokenizer cannot be read or belongs to another model.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl TokenizerFiles<'_> {
    /// Reads the tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError`] when the files are none.
    pub fn read(&self) -> Result<Tokenizer, TokenizerError> {
        match self {
            Self::Whole(json) => Tokenizer::from_json(json),
            Self::Parts { vocabulary, merges } => Tokenizer::from_vocabulary(vocabulary, merges),
        }
    }
}

impl ReadyMade {
    /// Reads a checkpoint, all of it or nothing.
    ///
    /// # Errors
    /// [`ReadyMadeError`] with what is wrong and in which file.
    pub fn read(files: &CheckpointFiles<'_>) -> Result<Self, ReadyMadeError> {
        let config = read_config(files.config)?;
        let tokenizer = files.tokenizer.read()?;
        tokenizer.check(&config)?;
        if is_pickle(files.weights) {
            return Err(WeightsError::Pickle.into());
        }
        // Numbers of a file that nobody has checked yet must not decide how much memory is asked for.
        if least_bytes(&config) > files.weights.len() as u128 {
            return Err(ReadyMadeError::Larger);
        }
        let weights = read_weights(&Layout::new(&config, &Trained::Full), files.weights)?;
        Ok(Self { config, weights, tokenizer })
    }
}

/// Reads a `config.json` alone.
///
/// # Errors
/// [`ReadyMadeError::NotJson`] and [`ReadyMadeError::Config`].
pub fn read_config(bytes: &[u8]) -> Result<Config, ReadyMadeError> {
    let json: Value = serde_json::from_slice(bytes).map_err(|_| ReadyMadeError::NotJson)?;
    Ok(Config::from_json(&json)?)
}

/// Bytes that the matrices of a model take at the very least, at one byte a number.
fn least_bytes(config: &Config) -> u128 {
    let [vocabulary, positions, width, layers] =
        [config.vocabulary, config.positions, config.width, config.layers].map(|size| size as u128);
    let block = width.saturating_mul(width).saturating_mul(12);
    (vocabulary + positions).saturating_mul(width).saturating_add(layers.saturating_mul(block))
}
