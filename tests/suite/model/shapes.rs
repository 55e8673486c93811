//! Names, sizes, weights as bytes, first parameters.

use dp2stage::model::{Config, ConfigError, Gpt2, Heads, Initial, initial, read_weights, write_weights};

use super::{parameters, rng, small};

#[test]
fn parts_carry_hugging_faces_names_and_fill_the_vector() {
    let model = small();
    let names: Vec<&str> = model.layout().tensors().iter().map(|t| t.name.as_str()).collect();
    for name in ["wte.weight", "wpe.weight", "h.1.attn.c_attn.weight", "h.0.mlp.c_proj.bias", "ln_f.bias"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    let mut next = 0;
    for tensor in model.layout().tensors() {
        assert_eq!(tensor.range.start, next);
        assert_eq!(tensor.range.len(), tensor.shape.iter().product::<usize>());
        next = tensor.range.end;
    }
    assert_eq!(next, model.layout().len());
}

#[test]
fn weights_come_back_and_candle_reads_them() {
    let model = small();
    let p = parameters(&model, 1);
    let bytes = write_weights(model.layout(), &p);
    assert_eq!(read_weights(model.layout(), &bytes).unwrap(), p);
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
    assert_eq!(tensors.len(), model.layout().tensors().len());
    assert_eq!(tensors["transformer.h.0.attn.c_attn.weight"].dims(), [8, 24]);
}

#[test]
fn bytes_of_another_model_are_refused() {
    let model = small();
    let bytes = write_weights(model.layout(), &parameters(&model, 1));
    let wider = super::model(&[3, 2, 5, 4], 16, 2, 2);
    assert!(read_weights(wider.layout(), &bytes).is_err());
    assert!(read_weights(model.layout(), &bytes[..100]).is_err());
    assert!(read_weights(model.layout(), b"").is_err());
}

#[test]
fn impossible_sizes_and_spans_are_refused() {
    let config = Config { vocabulary: 6, positions: 2, width: 8, layers: 1, heads: 2, opening: 0 };
    let new = |config, spans: Vec<_>| Gpt2::new(config, Heads::places(spans), 2);
    assert!(new(config, vec![1..3, 3..6]).is_ok());
    assert_eq!(new(Config { heads: 3, ..config }, vec![1..3, 3..6]).unwrap_err(), ConfigError::Heads);
    assert_eq!(new(Config { width: 0, ..config }, vec![1..3, 3..6]).unwrap_err(), ConfigError::Zero);
    for spans in [vec![], vec![1..3, 4..6], vec![1..3, 3..7], vec![1..1, 1..6], vec![0..3, 3..6]] {
        assert_eq!(new(config, spans).unwrap_err(), ConfigError::Spans);
    }
}

#[test]
fn neighbouring_values_start_out_alike_where_order_means_something() {
    let model = super::model(&[40, 40], 64, 1, 2);
    let how = Initial { tokens: 0.5, positions: 0.1, matrices: 0.5, smoothness: 0.08 };
    let p = initial(&model, &how, &[1..41, 41..41], &mut rng(1));
    let row = |token: usize| &p[token * 64..(token + 1) * 64];
    let cosine = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>() / super::norm(a) / super::norm(b)
    };
    assert!(cosine(row(10), row(11)) > 0.9);
    assert!(cosine(row(1), row(40)).abs() < 0.5);
    assert!(cosine(row(50), row(51)).abs() < 0.5);
    let std = super::norm(&p[64..81 * 64]) / (80.0 * 64f64).sqrt();
    assert!((std / 0.5 - 1.0).abs() < 0.1, "{std}");
}
