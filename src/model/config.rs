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
    /// The token that opens every row (`bos_token_id`).
    #[serde(default)]
    pub opening: u32,
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
    /// The sets of tokens are empty, unsorted, or beyond the vocabulary.
    #[error("sets of tokens must be ascending, not empty, and within the vocabulary")]
    Sets,
    /// The opening token is not one of the vocabulary.
    #[error("the opening token must be one of the vocabulary")]
    Opening,
    /// Rows are longer than the model has positions.
    #[error("rows must have at least one place, and no more than the model has positions")]
    Longest,
    /// Nothing would be trained.
    #[error("nothing would be trained: name at least one matrix, and a rank or width of at least 1")]
    Trained,
    /// A member of `config.json` is missing, of another type, or asks for another architecture.
    #[error("config.json: {0}")]
    Json(&'static str),
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
        if self.opening as usize >= self.vocabulary {
            return Err(ConfigError::Opening);
        }
        Ok(())
    }

    /// Reads a `config.json` of Hugging Face's `GPT2LMHeadModel`.
    ///
    /// # Errors
    /// [`ConfigError::Json`] when a size is missing or the file asks for something that a plain GPT-2 is
    /// not; else what [`Config::check`] finds.
    pub fn from_json(json: &Value) -> Result<Self, ConfigError> {
        let size = |name: &str, missing| {
            let value = json.get(name).and_then(Value::as_u64).ok_or(ConfigError::Json(missing))?;
            usize::try_from(value).map_err(|_| ConfigError::Json(missing))
        };
        let is = |name: &str, plain: Value| json.get(name).is_none_or(|value| value.is_null() || *value == plain);
        let width = size("n_embd", "n_embd is not a number")?;
        if json.get("model_type") != Some(&json!("gpt2")) {
            return Err(ConfigError::Json("model_type is not \"gpt2\""));
        }
        if !is("activation_function", json!("gelu_new")) {
            return Err(ConfigError::Json("activation_function is not \"gelu_new\""));
        }
        if !is("n_inner", json!(4 * width)) {
            return Err(ConfigError::Json("n_inner is not 4 n_embd"));
        }
        if !is("layer_norm_epsilon", json!(1e-5)) {
            return Err(ConfigError::Json("layer_norm_epsilon is not 1e-5"));
        }
        let plain = is("scale_attn_weights", json!(true))
            && is("scale_attn_by_inverse_layer_idx", json!(false))
            && is("add_cross_attention", json!(false))
            && is("tie_word_embeddings", json!(true));
        if !plain {
            return Err(ConfigError::Json("its attention or its output matrix is not that of a plain GPT-2"));
        }
        let vocabulary = size("vocab_size", "vocab_size is not a number")?;
        let config = Self {
            vocabulary,
            positions: size("n_positions", "n_positions is not a number")?,
            width,
            layers: size("n_layer", "n_layer is not a number")?,
            heads: size("n_head", "n_head is not a number")?,
            opening: size("bos_token_id", "bos_token_id is not a number")?.try_into().unwrap_or(u32::MAX),
        };
        config.check()?;
        Ok(config)
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
            "bos_token_id": self.opening,
            "eos_token_id": self.opening,
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
