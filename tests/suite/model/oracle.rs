//! The hand-written passes against candle's autograd on the same weights. Only composite operations:
//! candle's fused softmax and layer norm have no backward pass.

use std::collections::HashMap;

use candle_core::{D, Device, Tensor, Var};
use dp2stage::model::{Clipping, Gpt2, Heads};

use super::{assert_parts_agree, gradient_sum, losses, model, parameters, rows, small};

struct Oracle {
    parts: HashMap<String, Var>,
}

impl Oracle {
    fn new(model: &Gpt2, p: &[f32]) -> Self {
        let parts = model.layout().tensors().iter().map(|t| {
            let tensor = Tensor::from_slice(&p[t.range.clone()], t.shape.clone(), &Device::Cpu).unwrap();
            (t.name.clone(), Var::from_tensor(&tensor).unwrap())
        });
        Self { parts: parts.collect() }
    }

    fn part(&self, name: &str) -> &Tensor {
        self.parts[name].as_tensor()
    }

    fn norm(&self, name: &str, x: &Tensor) -> Tensor {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1).unwrap()).unwrap();
        let variance = centred.sqr().unwrap().mean_keepdim(D::Minus1).unwrap();
        let unit = centred.broadcast_div(&(variance + 1e-5).unwrap().sqrt().unwrap()).unwrap();
        let scaled = unit.broadcast_mul(self.part(&format!("{name}.weight"))).unwrap();
        scaled.broadcast_add(self.part(&format!("{name}.bias"))).unwrap()
    }

    fn linear(&self, name: &str, x: &Tensor) -> Tensor {
        let (b, t, d) = x.dims3().unwrap();
        let w = self.part(&format!("{name}.weight"));
        let y = x.reshape((b * t, d)).unwrap().matmul(w).unwrap();
        let y = y.broadcast_add(self.part(&format!("{name}.bias"))).unwrap();
        y.reshape((b, t, w.dim(1).unwrap())).unwrap()
    }

    fn attention(&self, model: &Gpt2, l: usize, x: &Tensor) -> Tensor {
        let (b, t, d) = x.dims3().unwrap();
        let (h, e) = (model.config().heads, d / model.config().heads);
        let qkv = self.linear(&format!("h.{l}.attn.c_attn"), x);
        let part = |i: usize| {
            let part = qkv.narrow(2, i * d, d).unwrap().reshape((b, t, h, e)).unwrap();
            part.transpose(1, 2).unwrap().contiguous().unwrap()
        };
        let keys = part(1).transpose(2, 3).unwrap().contiguous().unwrap();
        let scores = (part(0).matmul(&keys).unwrap() / (e as f64).sqrt()).unwrap();
        let mask: Vec<f32> = (0..t * t).map(|i| if i % t <= i / t { 0.0 } else { f32::NEG_INFINITY }).collect();
        let mask = Tensor::from_vec(mask, (1, 1, t, t), &Device::Cpu).unwrap();
        let exp = scores.broadcast_add(&mask).unwrap().exp().unwrap();
        let weights = exp.broadcast_div(&exp.sum_keepdim(D::Minus1).unwrap()).unwrap();
        let context = weights.matmul(&part(2)).unwrap().transpose(1, 2).unwrap();
        self.linear(&format!("h.{l}.attn.c_proj"), &context.reshape((b, t, d)).unwrap())
    }

    fn mlp(&self, l: usize, x: &Tensor) -> Tensor {
        let x = self.linear(&format!("h.{l}.mlp.c_fc"), x);
        let cube = (x.powf(3.0).unwrap() * 0.044715).unwrap();
        let u = ((&x + cube).unwrap() * (2.0 / std::f64::consts::PI).sqrt()).unwrap();
        let y = ((x * 0.5).unwrap() * (u.tanh().unwrap() + 1.0).unwrap()).unwrap();
        self.linear(&format!("h.{l}.mlp.c_proj"), &y)
    }

    /// The loss of every row, weighted by position.
    fn losses(&self, model: &Gpt2, tokens: &[u32], shares: &[f64]) -> Tensor {
        let (t, b) = (shares.len(), tokens.len() / shares.len());
        let inputs: Vec<u32> =
            tokens.chunks_exact(t).flat_map(|row| std::iter::once(0).chain(row[..t - 1].iter().copied())).collect();
        let inputs = Tensor::from_vec(inputs, b * t, &Device::Cpu).unwrap();
        let d = model.config().width;
        let x = self.part("wte.weight").index_select(&inputs, 0).unwrap().reshape((b, t, d)).unwrap();
        let mut x = x.broadcast_add(self.part("wpe.weight")).unwrap();
        for l in 0..model.config().layers {
            x = (&x + self.attention(model, l, &self.norm(&format!("h.{l}.ln_1"), &x))).unwrap();
            x = (&x + self.mlp(l, &self.norm(&format!("h.{l}.ln_2"), &x))).unwrap();
        }
        let x = self.norm("ln_f", &x);
        let mut loss = Tensor::zeros(b, candle_core::DType::F32, &Device::Cpu).unwrap();
        for (i, span) in model.heads().spans().iter().enumerate() {
            let y = x.narrow(1, i, 1).unwrap().reshape((b, d)).unwrap();
            let head = self.part("wte.weight").narrow(0, span.start as usize, span.len()).unwrap();
            let logits = y.matmul(&head.t().unwrap()).unwrap();
            let targets: Vec<u32> = tokens.chunks_exact(t).map(|row| row[i] - span.start).collect();
            let targets = Tensor::from_vec(targets, (b, 1), &Device::Cpu).unwrap();
            let total = logits.exp().unwrap().sum(1).unwrap().log().unwrap();
            let nll = (total - logits.gather(&targets, 1).unwrap().squeeze(1).unwrap()).unwrap();
            loss = (loss + (nll * shares[i]).unwrap()).unwrap();
        }
        loss
    }

    fn gradient(&self, model: &Gpt2, loss: &Tensor) -> Vec<f32> {
        let store = loss.sum_all().unwrap().backward().unwrap();
        let part = |name: &String| store.get(self.part(name)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        model.layout().tensors().iter().flat_map(|t| part(&t.name)).collect()
    }
}

fn check(model: &Gpt2, shares: &[f64]) {
    let p = parameters(model, 1);
    let tokens = rows(model, 70, 2);
    let oracle = Oracle::new(model, &p);
    let expected = oracle.losses(model, &tokens, shares);
    for (x, y) in losses(model, &p, &tokens).iter().zip(expected.to_vec1::<f32>().unwrap()) {
        assert!((x - y).abs() < 1e-4 * y.max(1.0), "loss {x} against {y}");
    }
    let ours = gradient_sum(model, &p, &tokens, Clipping::None);
    assert_parts_agree(model, &ours, &oracle.gradient(model, &expected), 1e-4);
}

#[test]
fn loss_and_every_gradient_equal_autograd() {
    check(&small(), &[0.25; 4]);
}

#[test]
fn they_do_with_one_block_one_head_and_one_column() {
    check(&model(&[7], 6, 1, 1), &[1.0]);
}

#[test]
fn they_do_with_loss_weights() {
    let spans = small().heads().spans().to_vec();
    let model = Gpt2::new(*small().config(), Heads::weighted_places(spans, &[1.0, 1.0, 1.0, 5.0]), 4).unwrap();
    check(&model, &[0.125, 0.125, 0.125, 0.625]);
}

#[test]
fn they_do_with_more_positions_than_the_ghost_norm_is_good_for() {
    check(&model(&[2; 40], 8, 1, 2), &[1.0 / 40.0; 40]);
}
