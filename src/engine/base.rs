//! The ready-made model that a plan starts from.

use serde::{Deserialize, Serialize};

use crate::model::Description;
use crate::tabular::{Codec, Schema, Text, TextError, Words};

/// A ready-made model, pinned by the digests of its files, and what rows are with its tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The model.
    pub model: Description,
    /// The most tokens of a row.
    pub longest: usize,
}

/// Why a ready-made model cannot write a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// The tokenizer cannot.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Rows are longer than the model reads.
    #[error("a row can take {longest} tokens, and the model reads {positions}: shorten names, or leave columns out")]
    Long {
        /// Tokens of the longest row.
        longest: usize,
        /// Places of the model.
        positions: usize,
    },
}

impl Base {
    /// A model with its tokenizer over a schema, and the codec of the two.
    ///
    /// # Errors
    /// [`BaseError`].
    pub fn new(model: Description, words: Words<'_>, schema: &Schema) -> Result<(Self, Codec), BaseError> {
        let config = &model.config;
        let text = Text::new(schema, words, config.opening, config.vocabulary)?;
        let (longest, positions) = (text.longest(), config.positions);
        if longest > positions {
            return Err(BaseError::Long { longest, positions });
        }
        Ok((Self { model, longest }, Codec::Text(text)))
    }
}
