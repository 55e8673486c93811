//! The size of a model, written like Hugging Face's `config.json` of a GPT-2.

use serde_json::{Value, json};

/// The shape of a GPT-2. Two configurations are the same model if they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Token ids in all (`vocab_size`).
    pub vocabulary: usize,
    /// Tokens a row, the opening token included and the last one excluded (`n_positions`).
    pub positions: usize,
    /// Width of the hidden states (`n_embd`).
    pub width: usize,
    /// Number of blocks (`n_layer`).
    pub layers: usize,
    /// Attention heads, a divisor of the width (`n_head`).
    pub heads: usize,
}

/// Why numbers do not describe a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A size is zero.
    #[error("every size of a model must be at least 1")]
    Zero,
    /// The heads do not divide the width.
    #[error("the number of attention heads must divide the width")]
    Heads,
    /// The spans of tokens are not 1.., contiguous and non-empty, one a position.
    #[error("spans must be contiguous from token 1, not empty, one for each position, within the vocabulary")]
    Spans,
}

impl Config {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`ConfigError::Zero`] and [`ConfigError::Heads`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if [self.vocabulary, self.positions, self.width, self.heads].contains(&0) {
            return Err(ConfigError::Zero);
        }
        if !self.width.is_multiple_of(self.heads) {
            return Err(ConfigError::Heads);
        }
        Ok(())
    }

    /// Width of one attention head.
    #[must_use]
    pub fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// The `config.json` with which Hugging Face's `GPT2LMHeadModel` reads the weights.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": "gelu_new",
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "layer_norm_epsilon": 1e-5,
            "n_embd": self.width,
            "n_head": self.heads,
            "n_layer": self.layers,
            "n_positions": self.positions,
            "tie_word_embeddings": true,
            "vocab_size": self.vocabulary,
        })
    }
}
