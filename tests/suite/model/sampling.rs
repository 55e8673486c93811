//! New rows: always valid, and distributed as the model says.

use dp2stage::model::{Asked, Choosing, Gpt2, Sampler, pick};
use proptest::prelude::*;
use rand::Rng;

use super::{losses, model, parameters, rng, small};

/// Rows of one token a place.
fn write(model: &Gpt2, p: &[f32], rng: &mut impl Rng, count: usize) -> Vec<u32> {
    let (t, mut choosing) = (model.longest(), Choosing::default());
    let (mut tokens, mut sampler) = (vec![0; count * t], Sampler::new(model, count));
    sampler.begin(model);
    for place in 0..t {
        sampler.read(model, p);
        let mut asked: Vec<Asked> = (0..count).map(|row| Asked { row, choice: place as u32 }).collect();
        choosing.answer(model, p, (&sampler, &mut asked), |row, named, probabilities| {
            tokens[row * t + place] = named(pick(probabilities, rng.random()));
        });
        (0..count).for_each(|row| sampler.push(row, tokens[row * t + place]));
    }
    tokens
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn every_token_is_inside_its_span_whatever_the_weights(
        seed in any::<u64>(),
        scale in prop_oneof![Just(1.0f32), Just(100.0), Just(1e30), Just(f32::NAN)],
    ) {
        let model = small();
        let p: Vec<f32> = parameters(&model, seed).iter().map(|x| x * scale).collect();
        let tokens = write(&model, &p, &mut rng(seed), 20);
        for (i, token) in tokens.iter().enumerate() {
            prop_assert!(model.heads().spans()[i % 4].contains(token));
        }
    }
}

/// All rows of a tiny model are enumerated: their probabilities by the training pass sum to 1, and
/// rows from the sampler (whose pass has a cache) appear at these rates.
#[test]
fn rows_appear_as_often_as_the_loss_says() {
    let model = model(&[3, 2, 4], 8, 2, 2);
    let p = parameters(&model, 11);
    let all: Vec<[u32; 3]> = (0..24).map(|i| [1 + i / 8, 4 + i / 4 % 2, 6 + i % 4]).collect();
    let probabilities: Vec<f64> =
        losses(&model, &p, all.as_flattened()).iter().map(|&loss| (-3.0 * f64::from(loss)).exp()).collect();
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-4);

    let n = 60_000;
    let mut counts = [0u32; 24];
    let mut rng = rng(12);
    for _ in 0..n / 500 {
        for row in write(&model, &p, &mut rng, 500).chunks_exact(3) {
            counts[((row[0] - 1) * 8 + (row[1] - 4) * 4 + row[2] - 6) as usize] += 1;
        }
    }
    for (count, q) in counts.iter().zip(&probabilities) {
        let (mean, std) = (f64::from(n) * q, (f64::from(n) * q * (1.0 - q)).sqrt());
        assert!((f64::from(*count) - mean).abs() < 5.0 * std + 1.0, "{count} rows where {mean:.1} were due");
    }
}
