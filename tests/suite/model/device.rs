//! The step on a device against the step on slices: losses, norms and clipped sums, for every kind of
//! heads and of training, in several chunks, on candle's processor. With `--features cuda` and a card, the
//! same on the card (`DP2STAGE_CUDA=0` names it).

use candle_core::Device;
use dp2stage::model::{
    Batch, Clipping, Config, DeviceError, Gpt2, Heads, NONE, OnDevice, Place, Precision, Targets, Trained,
};
use proptest::prelude::*;
use rand::Rng;

use super::{Ragged, assert_parts_agree, model, norm, parameters, ragged_losses, ragged_sum, rng, scales};

const LORA: Trained = Trained::Lora { rank: 3, alpha: 6, targets: Targets { c_proj: false, ..Targets::ALL } };
const KINDS: [Trained; 4] = [Trained::Full, LORA, Trained::Heads, Trained::Adapter { width: 5 }];

/// The processor, and the card that the environment names.
fn devices() -> Vec<Device> {
    let card = std::env::var("DP2STAGE_CUDA").ok().map(|number| Place::Cuda(number.parse().unwrap()));
    let card = card.map(|card| card.open().unwrap().unwrap());
    [Device::Cpu].into_iter().chain(card).collect()
}

fn device_sum(
    (model, p): (&Gpt2, &[f32]),
    rows: &Ragged,
    clipping: Clipping,
    (device, precision, places): (&Device, Precision, usize),
) -> Vec<f32> {
    let mut sum = vec![f64::NAN; model.layout().trained_len()];
    let mut passes = OnDevice::new(model, 1, places, (device.clone(), precision)).unwrap();
    let batch = Batch::of_ragged_rows(rows.0.len(), rows);
    passes.gradient_sum(model, p, batch, clipping, &mut sum).unwrap();
    sum.into_iter().map(|x| x as f32).collect()
}

/// A model with each kind of heads, and rows for it, some with places that predict nothing.
fn cases() -> Vec<(Gpt2, Ragged)> {
    let mut rng = rng(11);
    let mut cases = Vec::new();
    let table = model(&[3, 2, 5, 4], 8, 2, 2);
    let spans = table.heads().spans().to_vec();
    let whole = |rng: &mut rand_chacha::ChaCha20Rng| {
        (spans.iter().map(|span| rng.random_range(span.clone())).collect(), vec![0, 1, 2, 3])
    };
    cases.push((table.clone(), Ragged((0..13).map(|_| whole(&mut rng)).collect())));
    let config = Config { vocabulary: 17, positions: 40, width: 12, layers: 2, heads: 3, opening: 2 };
    let sets = vec![vec![1, 4, 5], vec![0, 2, 3, 9, 16], vec![7]];
    for heads in [Heads::All, Heads::Sets { sets: sets.clone(), share: 0.25 }] {
        let row = |rng: &mut rand_chacha::ChaCha20Rng| {
            let length = rng.random_range(1..=37);
            let mut tokens: Vec<u32> = (0..length).map(|_| rng.random_range(0..17)).collect();
            let mut choices = vec![NONE; length];
            for i in 0..length {
                if rng.random::<f32>() < 0.6 {
                    choices[i] = rng.random_range(0..3);
                    let set = &sets[choices[i] as usize];
                    tokens[i] = set[rng.random_range(0..set.len())];
                }
            }
            (tokens, choices)
        };
        let rows = Ragged((0..9).map(|_| row(&mut rng)).collect());
        cases.push((Gpt2::new(config, heads, 37).unwrap(), rows));
    }
    cases
}

/// The norm to which the middle row is clipped.
fn middle_norm(model: &Gpt2, p: &[f32], rows: &Ragged) -> f64 {
    let alone = |row: &(Vec<u32>, Vec<u32>)| ragged_sum(model, p, &Ragged(vec![row.clone()]), Clipping::None, None);
    let mut norms: Vec<f64> = rows.0.iter().map(|row| norm(&alone(row))).collect();
    norms.sort_by(f64::total_cmp);
    norms[norms.len() / 2]
}

#[test]
fn sums_on_a_device_are_those_on_slices() {
    for device in devices() {
        for (plain, rows) in cases() {
            for trained in KINDS {
                let model = plain.clone().training(trained).unwrap();
                let p = parameters(&model, 5);
                let bound = middle_norm(&model, &p, &rows);
                assert!(bound > 0.0);
                for clipping in [Clipping::None, Clipping::Norm(bound)] {
                    let slices = ragged_sum(&model, &p, &rows, clipping, None);
                    for places in [64, 4096] {
                        let how = (&device, Precision::F32, places);
                        let ours = device_sum((&model, &p), &rows, clipping, how);
                        assert_parts_agree(&model, &ours, &slices, 1e-4);
                    }
                }
            }
        }
    }
}

/// The factor with which a row enters a sum says what its norm was found to be.
#[test]
fn norms_of_single_rows_are_those_on_slices() {
    for device in devices() {
        for (plain, rows) in cases() {
            for trained in KINDS {
                let model = plain.clone().training(trained).unwrap();
                let p = parameters(&model, 6);
                for row in &rows.0 {
                    let one = Ragged(vec![row.clone()]);
                    let length = norm(&ragged_sum(&model, &p, &one, Clipping::None, None));
                    if length == 0.0 {
                        continue;
                    }
                    let how = (&device, Precision::F32, 64);
                    let clipped = norm(&device_sum((&model, &p), &one, Clipping::Norm(length / 3.0), how));
                    assert!((3.0 * clipped / length - 1.0).abs() < 1e-4, "{trained:?}: {clipped} of {length}");
                    assert!(clipped <= length / 3.0 * (1.0 + 1e-6), "{clipped} is beyond the bound");
                }
            }
        }
    }
}

#[test]
fn losses_on_a_device_are_those_on_slices() {
    for device in devices() {
        for (model, rows) in cases() {
            let p = parameters(&model, 7);
            let mut passes = OnDevice::new(&model, 1, 128, (device.clone(), Precision::F32)).unwrap();
            let ours = passes.losses(&model, &p, Batch::of_ragged_rows(rows.0.len(), &rows)).unwrap();
            for (ours, slices) in ours.iter().zip(ragged_losses(&model, &p, &rows)) {
                assert!((ours - slices).abs() <= 1e-4 * slices.abs().max(1.0), "{ours} against {slices}");
            }
        }
    }
}

/// bfloat16 keeps 8 bits: a sum is within a few hundredths of its length, and a row still within its bound.
#[test]
fn bfloat16_is_close_and_bounded() {
    for device in devices() {
        for (plain, rows) in cases() {
            for trained in KINDS {
                let model = plain.clone().training(trained).unwrap();
                let p: Vec<f32> = parameters(&model, 8).iter().map(|x| x / 4.0).collect();
                let how = (&device, Precision::Bf16, 64);
                let ours = device_sum((&model, &p), &rows, Clipping::None, how);
                let slices = ragged_sum(&model, &p, &rows, Clipping::None, None);
                let apart: Vec<f32> = ours.iter().zip(&slices).map(|(a, b)| a - b).collect();
                assert!(norm(&apart) < 0.05 * norm(&slices), "{trained:?}: {} of {}", norm(&apart), norm(&slices));
                assert!(norm(&apart) > 1e-5 * norm(&slices), "this is no bfloat16");
                let one = Ragged(vec![rows.0[0].clone()]);
                let bound = norm(&slices) / 100.0;
                assert!(norm(&device_sum((&model, &p), &one, Clipping::Norm(bound), how)) <= bound * (1.0 + 1e-6));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However large the weights have become, one row adds no more than the bound, and a row without a
    /// finite gradient adds nothing, not even to the sums of others.
    #[test]
    fn rows_stay_within_the_bound(
        which in 0usize..3,
        kind in 0usize..4,
        scale in scales(),
        seed in 0u64..1000,
        bf16 in any::<bool>(),
    ) {
        let (plain, rows) = cases().swap_remove(which);
        let model = plain.training(KINDS[kind]).unwrap();
        let p: Vec<f32> = parameters(&model, seed).iter().map(|x| x * scale).collect();
        let precision = if bf16 { Precision::Bf16 } else { Precision::F32 };
        for row in &rows.0[..3] {
            let how = (&Device::Cpu, precision, 64);
            let sum = device_sum((&model, &p), &Ragged(vec![row.clone()]), Clipping::Norm(0.5), how);
            prop_assert!(norm(&sum) <= 0.5 * (1.0 + 1e-5), "{}", norm(&sum));
        }
    }
}

/// A row is clipped alike in every company, to the last bit: without it a sum changes by what it adds alone.
#[test]
fn rows_do_not_depend_on_each_other() {
    for (model, rows) in cases() {
        let p = parameters(&model, 9);
        let how = (&Device::Cpu, Precision::F32, 64);
        let whole = device_sum((&model, &p), &rows, Clipping::Norm(0.1), how);
        let less = device_sum((&model, &p), &Ragged(rows.0[1..].to_vec()), Clipping::Norm(0.1), how);
        let apart: Vec<f32> = whole.iter().zip(&less).map(|(a, b)| a - b).collect();
        assert!(norm(&apart) <= 0.1 * (1.0 + 1e-5), "{}", norm(&apart));
    }
}

#[test]
fn devices_have_names_and_missing_ones_are_refused_in_words() {
    assert_eq!("cpu".parse::<Place>().unwrap(), Place::Cpu);
    assert_eq!("cuda:3".parse::<Place>().unwrap(), Place::Cuda(3));
    assert_eq!(Place::Cuda(3).to_string(), "cuda:3");
    for odd in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
        assert!(matches!(odd.parse::<Place>(), Err(DeviceError::Name(_))), "{odd}");
    }
    assert!(Place::Cpu.open().unwrap().is_none());
    let error = Place::Cuda(99).open().err().unwrap().to_string();
    assert!(error.starts_with("cuda:99 is not available"), "{error}");
    // A grammar that would fill a card is refused before anything is computed.
    let config = Config { vocabulary: 50_257, positions: 8, width: 8, layers: 1, heads: 2, opening: 0 };
    let sets = Heads::Sets { sets: vec![vec![1, 2]; 6000], share: 1.0 };
    let model = Gpt2::new(config, sets, 8).unwrap();
    let refused = OnDevice::new(&model, 1, 64, (Device::Cpu, Precision::F32)).err().unwrap();
    assert!(refused.to_string().contains("device = \"cpu\""), "{refused}");
}
