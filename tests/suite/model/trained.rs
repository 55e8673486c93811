//! What is trained: low-rank updates, heads and adapters against derivatives of the loss, against one
//! row at a time, and against what full training says.

use dp2stage::model::{Clipping, ConfigError, Gpt2, Targets, Trained, extend};
use rand::Rng;

use super::{Ragged, check_one_by_one, gradient_sum, losses, parameters, rng, rows, small};

const LORA: Trained = Trained::Lora { rank: 3, alpha: 6, targets: Targets::ALL };

fn kinds() -> [Trained; 5] {
    let some = Targets { c_attn: true, c_proj: false, c_fc: false, mlp_proj: true };
    let adapter = Trained::Adapter { width: 3 };
    [Trained::Full, LORA, Trained::Lora { rank: 2, alpha: 1, targets: some }, Trained::Heads, adapter]
}

fn training(trained: Trained) -> Gpt2 {
    small().training(trained).unwrap()
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for trained in kinds() {
        let model = training(trained);
        let p = parameters(&model, 1);
        let tokens = rows(&model, 20, 2);
        let gradient = gradient_sum(&model, &p, &tokens, Clipping::None);
        let mut rng = rng(3);
        for _ in 0..5 {
            let mut along = vec![0f32; p.len()];
            let mut slope = 0f64;
            for (at, of) in model.layout().moves().iter().cloned() {
                for (x, g) in along[at].iter_mut().zip(&gradient[of]) {
                    *x = rng.random_range(-1.0..1.0);
                    slope += f64::from(*x) * f64::from(*g);
                }
            }
            let loss = |h: f32| {
                let p: Vec<f32> = p.iter().zip(&along).map(|(p, x)| p + h * x).collect();
                losses(&model, &p, &tokens).iter().map(|&x| f64::from(x)).sum::<f64>()
            };
            let h = 2e-3;
            let measured = (loss(h) - loss(-h)) / f64::from(2.0 * h);
            assert!((measured - slope).abs() < 0.02 * slope.abs().max(1.0), "{trained:?}: {measured} against {slope}");
        }
    }
}

#[test]
fn the_clipped_sum_equals_one_row_at_a_time() {
    for trained in kinds() {
        let model = training(trained);
        let tokens = rows(&model, 40, 4);
        let ragged = Ragged(tokens.chunks_exact(4).map(|row| (row.to_vec(), vec![0, 1, 2, 3])).collect());
        check_one_by_one(&model, &parameters(&model, 5), &ragged);
    }
}

/// With `W' = W + s A B`, the gradients of A and B follow from that of `W'`.
#[test]
fn gradients_of_low_rank_updates_follow_from_full_ones() {
    let (full, lora) = (small(), training(LORA));
    let p = parameters(&lora, 7);
    let mut merged = p[..full.layout().len()].to_vec();
    let product = |a: &[f32], b: &[f32], (n, k, m): (usize, usize, usize)| -> Vec<f32> {
        let at = |i: usize| (0..k).map(|j| a[i / m * k + j] * b[j * m + i % m]).sum();
        (0..n * m).map(at).collect()
    };
    let linears = || lora.layout().blocks.iter().flat_map(|b| [&b.c_attn, &b.c_proj, &b.c_fc, &b.mlp_proj]);
    for linear in linears() {
        let update = linear.update.as_ref().unwrap();
        let delta = product(update.down.of(&p), update.up.of(&p), (linear.inputs, 3, linear.outputs));
        merged[linear.weight.range.clone()].iter_mut().zip(delta).for_each(|(w, x)| *w += 2.0 * x);
    }
    let tokens = rows(&full, 30, 8);
    for (a, b) in losses(&full, &merged, &tokens).iter().zip(losses(&lora, &p, &tokens)) {
        assert!((a - b).abs() < 1e-4 * a.max(1.0), "{a} against {b}");
    }
    let of_full = gradient_sum(&full, &merged, &tokens, Clipping::None);
    let of_lora = gradient_sum(&lora, &p, &tokens, Clipping::None);
    for linear in linears() {
        let (n, m) = (linear.inputs, linear.outputs);
        let update = linear.update.as_ref().unwrap();
        let dw = &of_full[linear.weight.range.clone()];
        let up = update.up.of(&p);
        let transposed: Vec<f32> = (0..m * 3).map(|i| up[i % 3 * m + i / 3]).collect();
        let expected = product(dw, &transposed, (n, m, 3));
        let ours = &of_lora[update.down.slot.clone().unwrap()];
        let size = expected.iter().fold(0f32, |max, x| max.max(x.abs()));
        for (x, y) in ours.iter().zip(&expected) {
            assert!((x - 2.0 * y).abs() < 1e-3 * size, "{x} against {}", 2.0 * y);
        }
    }
}

#[test]
fn a_new_part_changes_nothing_at_first_and_frozen_parts_have_no_gradient() {
    let full = small();
    let plain = parameters(&full, 9);
    let tokens = rows(&full, 30, 10);
    for trained in kinds() {
        let model = training(trained);
        let mut p = plain.clone();
        extend(&model, &mut p, &mut rng(11));
        assert_eq!(p.len(), model.layout().len());
        assert_eq!(losses(&full, &plain, &tokens), losses(&model, &p, &tokens), "{trained:?}");
        let moved: usize = model.layout().moves().iter().map(|(at, of)| at.len().min(of.len())).sum();
        assert_eq!(moved, model.layout().trained_len());
        let frozen = model.layout().moves().iter().all(|(at, _)| at.start >= full.layout().len());
        assert!(frozen != (trained == Trained::Full), "{trained:?}");
        // Every trained tensor gets a gradient; only the ways in behind ways out of zeros start with none.
        let gradient = gradient_sum(&model, &p, &tokens, Clipping::None);
        for tensor in model.layout().tensors() {
            let Some(slot) = tensor.slot.clone() else { continue };
            let still = tensor.name.contains("lora_A") || tensor.name.contains("adapter.down");
            assert_eq!(gradient[slot].iter().all(|&x| x == 0.0), still, "{trained:?} {}", tensor.name);
        }
    }
}

#[test]
fn training_nothing_is_refused() {
    let none = Targets { c_attn: false, c_proj: false, c_fc: false, mlp_proj: false };
    for trained in [
        Trained::Lora { rank: 0, alpha: 1, targets: Targets::ALL },
        Trained::Lora { rank: 2, alpha: 1, targets: none },
        Trained::Adapter { width: 0 },
    ] {
        assert_eq!(small().training(trained).unwrap_err(), ConfigError::Trained);
    }
}
