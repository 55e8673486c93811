//! What is handed out: low-rank updates become part of the matrices that they update, so that the
//! result is a plain GPT-2.

use serde_json::{Value, json};

use super::gpt2::Gpt2;
use super::kernel::{View, ViewMut, multiply};
use super::trained::Trained;
use super::weights::write_weights;

/// The model as files: `config.json` and safetensors bytes.
///
/// Fully trained and low-rank models are plain GPT-2s. A model with an output matrix of its own says so
/// (`tie_word_embeddings`); adapters are named under `dp2stage` and only this program reads them.
#[must_use]
pub fn released(model: &Gpt2, parameters: &[f32]) -> (Value, Vec<u8>) {
    let mut config = model.config().json();
    match *model.trained() {
        Trained::Full => {}
        Trained::Heads => config["tie_word_embeddings"] = json!(false),
        Trained::Adapter { width } => config["dp2stage"] = json!({ "adapter_width": width }),
        Trained::Lora { .. } => {
            let plain = super::layout::Layout::new(model.config(), &Trained::Full);
            return (config, write_weights(&plain, &merged(model, parameters)));
        }
    }
    (config, write_weights(model.layout(), parameters))
}

/// The plain parameters with `W + (alpha / rank) A B` in place of every updated `W`.
fn merged(model: &Gpt2, parameters: &[f32]) -> Vec<f32> {
    let mut plain = parameters[..model.layout().plain_len()].to_vec();
    for block in &model.layout().blocks {
        for linear in [&block.c_attn, &block.c_proj, &block.c_fc, &block.mlp_proj] {
            let Some(update) = &linear.update else { continue };
            let mut delta = vec![0f32; linear.inputs * linear.outputs];
            let down = View::dense(update.down.of(parameters), linear.inputs, update.rank);
            let up = View::dense(update.up.of(parameters), update.rank, linear.outputs);
            multiply(ViewMut::dense(&mut delta, linear.inputs, linear.outputs), down, up);
            let scale = update.scale();
            plain[linear.weight.range.clone()].iter_mut().zip(&delta).for_each(|(w, x)| *w += scale * x);
        }
    }
    plain
}
