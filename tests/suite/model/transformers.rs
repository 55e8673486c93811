//! Logits, losses and every gradient against Hugging Face's transformers (`tests/fixtures/gpt2/make.py`),
//! and checkpoints that are none.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use dp2stage::model::{
    Batch, Clipping, Config, ConfigError, Gpt2, Heads, Lanes, WeightsError, read_weights, write_weights,
};
use serde_json::{Value, json};

use super::{Ragged, assert_parts_agree, check_one_by_one, ragged_losses, ragged_sum};

struct Checkpoint {
    config: Value,
    weights: &'static [u8],
    expected: &'static [u8],
}

macro_rules! checkpoint {
    ($name:literal) => {
        Checkpoint {
            config: serde_json::from_str(include_str!(concat!("../../fixtures/gpt2/", $name, "/config.json"))).unwrap(),
            weights: include_bytes!(concat!("../../fixtures/gpt2/", $name, "/model.safetensors")),
            expected: include_bytes!(concat!("../../fixtures/gpt2/", $name, "/expected.safetensors")),
        }
    };
}

fn all() -> [Checkpoint; 3] {
    [checkpoint!("narrow"), checkpoint!("one"), checkpoint!("long")]
}

impl Checkpoint {
    fn load(&self) -> (Gpt2, Vec<f32>) {
        let config = Config::from_json(&self.config).unwrap();
        let model = Gpt2::new(config, Heads::All, config.positions).unwrap();
        let p = read_weights(model.layout(), self.weights).unwrap();
        (model, p)
    }

    fn expected(&self) -> HashMap<String, Tensor> {
        candle_core::safetensors::load_buffer(self.expected, &Device::Cpu).unwrap()
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Rows without the opening token, which the model adds itself.
fn rows(expected: &HashMap<String, Tensor>) -> Ragged {
    let tokens = expected["tokens"].to_vec2::<i64>().unwrap();
    Ragged(tokens.iter().map(|row| (row[1..].iter().map(|&x| x as u32).collect(), vec![0; row.len() - 1])).collect())
}

#[test]
fn logits_losses_and_every_gradient_equal_transformers() {
    for checkpoint in all() {
        let (model, p) = checkpoint.load();
        let expected = checkpoint.expected();
        let rows = rows(&expected);
        for (ours, theirs) in ragged_losses(&model, &p, &rows).iter().zip(numbers(&expected["loss"])) {
            assert!((ours - theirs).abs() < 1e-4 * theirs.max(1.0), "loss {ours} against {theirs}");
        }
        let logits = numbers(&expected["logits"]);
        let size = logits.iter().fold(0f32, |max, x| max.max(x.abs()));
        let each = logits.len() / rows.0.len();
        for ((row, _), theirs) in rows.0.iter().zip(logits.chunks_exact(each)) {
            let ours = Lanes::new(&model, 1).logits(&model, &p, row);
            assert_eq!(ours.len(), theirs.len());
            assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-4 * size));
        }
        let gradient = model.layout().tensors().iter().flat_map(|tensor| {
            let theirs = &expected[&format!("grad.transformer.{}", tensor.name)];
            assert_eq!(theirs.dims(), tensor.shape);
            numbers(theirs)
        });
        let theirs: Vec<f32> = gradient.collect();
        assert_parts_agree(&model, &ragged_sum(&model, &p, &rows, Clipping::None, None), &theirs, 1e-4);
        check_one_by_one(&model, &p, &rows);
    }
}

#[test]
fn a_checkpoint_that_is_written_is_the_one_that_was_read() {
    for checkpoint in all() {
        let (model, p) = checkpoint.load();
        assert_eq!(read_weights(model.layout(), &write_weights(model.layout(), &p)).unwrap(), p);
        assert_eq!(Config::from_json(&model.config().json()).unwrap(), *model.config());
    }
}

/// Tensors of a checkpoint, changed and written by candle.
fn changed(change: impl Fn(&mut HashMap<String, Tensor>)) -> Result<Vec<f32>, WeightsError> {
    let checkpoint = checkpoint!("one");
    let mut tensors = candle_core::safetensors::load_buffer(checkpoint.weights, &Device::Cpu).unwrap();
    change(&mut tensors);
    let file = tempfile::NamedTempFile::new().unwrap();
    candle_core::safetensors::save(&tensors, file.path()).unwrap();
    read_weights(checkpoint.load().0.layout(), &std::fs::read(file.path()).unwrap())
}

const WTE: &str = "transformer.wte.weight";

#[test]
fn tensors_that_are_not_the_models_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    assert!(changed(|_| {}).is_ok());
    let bias = "transformer.h.0.mlp.c_proj.bias";
    assert!(matches!(changed(|t| drop(t.remove(bias))), Err(WeightsError::Missing { name }) if name == bias));
    let extra = "transformer.h.1.ln_1.weight";
    let more = |t: &mut HashMap<_, _>| drop(t.insert(extra.to_string(), zeros(&[6])));
    assert!(matches!(changed(more), Err(WeightsError::Extra { name }) if name == extra));
    let turned =
        |t: &mut HashMap<String, Tensor>| drop(t.insert(WTE.into(), t[WTE].t().unwrap().contiguous().unwrap()));
    assert!(matches!(changed(turned), Err(WeightsError::Shape { name, .. }) if name == WTE));
    let whole = |t: &mut HashMap<String, Tensor>| drop(t.insert(WTE.into(), t[WTE].to_dtype(DType::U32).unwrap()));
    assert!(matches!(changed(whole), Err(WeightsError::Shape { name, .. }) if name == WTE));
    let broken = |t: &mut HashMap<String, Tensor>| drop(t.insert(WTE.into(), (&t[WTE] * f64::NAN).unwrap()));
    assert!(matches!(changed(broken), Err(WeightsError::NotFinite { name }) if name == WTE));
    let untied = |t: &mut HashMap<_, _>| drop(t.insert("lm_head.weight".to_string(), zeros(&[7, 6])));
    assert!(matches!(changed(untied), Err(WeightsError::Extra { name }) if name == "lm_head.weight"));
}

#[test]
fn what_checkpoints_carry_besides_is_passed_over() {
    let plain = changed(|_| {}).unwrap();
    let old = |t: &mut HashMap<String, Tensor>| {
        let mask = Tensor::zeros((1, 1, 5, 5), DType::U8, &Device::Cpu).unwrap();
        t.insert("transformer.h.0.attn.bias".into(), mask);
        t.insert("lm_head.weight".into(), t[WTE].clone());
    };
    assert_eq!(changed(old).unwrap(), plain);
    let bare = |t: &mut HashMap<String, Tensor>| {
        *t = t.drain().map(|(name, x)| (name.replace("transformer.", ""), x)).collect();
    };
    assert_eq!(changed(bare).unwrap(), plain);
    let half = |t: &mut HashMap<String, Tensor>| {
        t.values_mut().for_each(|x| *x = x.to_dtype(DType::BF16).unwrap());
    };
    assert!(changed(half).unwrap().iter().zip(&plain).all(|(a, b)| (a - b).abs() < 0.01 * b.abs().max(0.1)));
}

#[test]
fn bytes_that_are_no_safetensors_are_refused_in_words() {
    let layout = checkpoint!("one").load().0.layout().clone();
    let weights = checkpoint!("one").weights;
    for pickle in [&b"PK\x03\x04and so on"[..], b"\x80\x02}q\x00(X\x0a\x00\x00\x00"] {
        assert!(matches!(read_weights(&layout, pickle), Err(WeightsError::Pickle)));
    }
    for damaged in [&b""[..], b"{}", &weights[..100], &weights[..weights.len() - 1]] {
        assert!(matches!(read_weights(&layout, damaged), Err(WeightsError::Format(_))));
    }
}

#[test]
fn configurations_of_other_models_are_refused() {
    let good = checkpoint!("one").config;
    assert!(Config::from_json(&good).is_ok());
    for (name, value) in [
        ("model_type", json!("llama")),
        ("n_embd", json!("6")),
        ("n_layer", Value::Null),
        ("n_inner", json!(7)),
        ("activation_function", json!("relu")),
        ("layer_norm_epsilon", json!(1e-6)),
        ("tie_word_embeddings", json!(false)),
        ("scale_attn_by_inverse_layer_idx", json!(true)),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(matches!(Config::from_json(&bad), Err(ConfigError::Json(_))), "{name}");
    }
    for (name, value, error) in [
        ("n_head", 4, ConfigError::Heads),
        ("bos_token_id", 7, ConfigError::Opening),
        ("n_positions", 0, ConfigError::Zero),
    ] {
        let mut bad = good.clone();
        bad[name] = json!(value);
        assert_eq!(Config::from_json(&bad).unwrap_err(), error, "{name}");
    }
}

/// Rows of one length need no trait.
#[test]
fn whole_rows_are_ragged_rows_of_one_length() {
    let (model, p) = checkpoint!("narrow").load();
    let tokens: Vec<u32> = (0..36).map(|i| i * 7 % 23).collect();
    let fetch = |i: usize, row: &mut [u32]| row.copy_from_slice(&tokens[12 * i..12 * i + 12]);
    let whole = Lanes::new(&model, 1).losses(&model, &p, Batch::of_rows(3, &fetch));
    let ragged = Ragged(tokens.chunks_exact(12).map(|row| (row.to_vec(), vec![0; 12])).collect());
    assert_eq!(whole, ragged_losses(&model, &p, &ragged));
}
