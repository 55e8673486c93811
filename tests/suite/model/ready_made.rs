//! Checkpoints read whole or not at all.

use dp2stage::model::{
    CheckpointFiles, Config, ConfigError, Gpt2, Heads, ReadyMade, ReadyMadeError, TokenizerError, TokenizerFiles,
    WeightsError, write_weights,
};
use serde_json::{Value, json};

use super::tokenizers::{JSON, MERGES, VOCABULARY};

pub const CONFIG: Config = Config { vocabulary: 400, positions: 6, width: 4, layers: 1, heads: 2, opening: 0 };

/// A `config.json` and a `model.safetensors` for the small tokenizer.
pub fn checkpoint() -> (Vec<u8>, Vec<u8>) {
    checkpoint_of(CONFIG)
}

/// The same of another size.
pub fn checkpoint_of(config: Config) -> (Vec<u8>, Vec<u8>) {
    let model = Gpt2::new(config, Heads::All, config.positions).unwrap();
    let weights: Vec<f32> = (0..model.layout().len()).map(|i| (i * 37 % 101) as f32 / 100.0 - 0.5).collect();
    (config.json().to_string().into_bytes(), write_weights(model.layout(), &weights))
}

fn read(config: &[u8], weights: &[u8], tokenizer: TokenizerFiles<'_>) -> Result<ReadyMade, ReadyMadeError> {
    ReadyMade::read(&CheckpointFiles { config, weights, tokenizer })
}

#[test]
fn both_kinds_of_tokenizer_files_make_the_same_model() {
    let (config, weights) = checkpoint();
    let whole = read(&config, &weights, TokenizerFiles::Whole(JSON)).unwrap();
    let parts = TokenizerFiles::Parts { vocabulary: VOCABULARY, merges: MERGES };
    let parts = read(&config, &weights, parts).unwrap();
    assert_eq!(whole.config, CONFIG);
    assert_eq!(whole.weights, parts.weights);
    let layout = Gpt2::new(CONFIG, Heads::All, 6).unwrap().layout().clone();
    assert_eq!(write_weights(&layout, &whole.weights), weights);
    let text = "age is 39";
    assert_eq!(whole.tokenizer.encode(text).unwrap(), parts.tokenizer.encode(text).unwrap());
}

#[test]
fn every_fault_has_its_name() {
    let (config, weights) = checkpoint();
    let whole = TokenizerFiles::Whole(JSON);
    let with = |name: &str, value: Value| {
        let mut json: Value = serde_json::from_slice(&config).unwrap();
        json[name] = value;
        json.to_string().into_bytes()
    };
    assert!(matches!(read(b"{", &weights, whole), Err(ReadyMadeError::NotJson)));
    let llama = with("model_type", json!("llama"));
    assert!(matches!(read(&llama, &weights, whole), Err(ReadyMadeError::Config(ConfigError::Json(_)))));
    let pickle = read(&config, b"PK\x03\x04 and so on", whole);
    assert!(matches!(pickle, Err(ReadyMadeError::Weights(WeightsError::Pickle))));
    let deeper = read(&with("n_layer", json!(2)), &weights, whole);
    assert!(matches!(deeper, Err(ReadyMadeError::Weights(WeightsError::Missing { name })) if name.contains("h.1.")));
    let longer = read(&with("n_positions", json!(7)), &weights, whole);
    assert!(matches!(longer, Err(ReadyMadeError::Weights(WeightsError::Shape { name, .. })) if name.contains("wpe")));
    let other = read(&with("vocab_size", json!(399)), &weights, whole);
    assert!(matches!(other, Err(ReadyMadeError::Tokenizer(TokenizerError::Vocabulary { .. }))));
    let tokenizer = read(&config, &weights, TokenizerFiles::Whole(b"{}"));
    assert!(matches!(tokenizer, Err(ReadyMadeError::Tokenizer(TokenizerError::Format(_)))));
    let mut broken = weights.clone();
    let last = broken.len() - 4;
    broken[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let broken = read(&config, &broken, whole);
    assert!(matches!(broken, Err(ReadyMadeError::Weights(WeightsError::NotFinite { .. }))));
}

/// What a config.json claims takes no memory before the weights bear it out.
#[test]
fn sizes_that_the_weights_do_not_have_are_refused_before_they_are_made_room_for() {
    let (config, weights) = checkpoint();
    for (name, value) in [("vocab_size", 1u64 << 50), ("n_layer", 1 << 40), ("n_positions", u64::MAX)] {
        let mut json: Value = serde_json::from_slice(&config).unwrap();
        json[name] = json!(value);
        let refused = read(json.to_string().as_bytes(), &weights, TokenizerFiles::Whole(JSON));
        assert!(matches!(refused, Err(ReadyMadeError::Larger)), "{name}: {refused:?}");
    }
}
