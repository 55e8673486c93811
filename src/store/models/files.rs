//! The files of a checkpoint in the Hugging Face layout.

/// The shape.
pub(super) const CONFIG: &str = "config.json";
/// The parameters.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// The tokenizer, whole.
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// The tokenizer of older checkpoints: ids.
pub(super) const VOCABULARY: &str = "vocab.json";
/// The tokenizer of older checkpoints: merges.
pub(super) const MERGES: &str = "merges.txt";
/// Weights as a Python pickle, which are never read.
pub(super) const PICKLE: &str = "pytorch_model.bin";

/// All that may be named in a declaration.
pub(super) const ALL: [&str; 5] = [CONFIG, WEIGHTS, TOKENIZER, VOCABULARY, MERGES];

/// The files of a model whose tokenizer is one file or two.
pub(super) fn wanted(whole: bool) -> &'static [&'static str] {
    if whole { &[CONFIG, WEIGHTS, TOKENIZER] } else { &[CONFIG, WEIGHTS, VOCABULARY, MERGES] }
}

/// The most bytes that a file may have: GPT-2's largest weights are 6.4 GB, its tokenizer 1.4 MB.
pub(super) fn most_bytes(file: &str) -> u64 {
    match file {
        CONFIG => 1 << 20,
        WEIGHTS => 16 << 30,
        _ => 64 << 20,
    }
}
