//! Tests of `model`: parities with candle's autograd and with one row at a time, then laws.

mod bounded;
mod device;
mod heads;
mod memory;
mod oracle;
pub mod ready_made;
mod sampling;
mod shapes;
mod sums;
pub mod tokenizers;
mod trained;
mod transformers;
mod units;

use dp2stage::model::{Batch, Clipping, Config, Gpt2, Heads, Lanes, Room, Rows};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// A small model over four columns of 3, 2, 5 and 4 tokens.
fn small() -> Gpt2 {
    model(&[3, 2, 5, 4], 8, 2, 2)
}

/// A model over columns of the given sizes.
fn model(sizes: &[u32], width: usize, layers: usize, heads: usize) -> Gpt2 {
    let mut next = 1;
    let spans: Vec<_> = sizes
        .iter()
        .map(|&size| {
            next += size;
            next - size..next
        })
        .collect();
    let config = Config { vocabulary: next as usize, positions: sizes.len(), width, layers, heads, opening: 0 };
    Gpt2::new(config, Heads::places(spans), sizes.len()).unwrap()
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Parameters with no zero and no one in them, so that no term of a gradient is hidden.
fn parameters(model: &Gpt2, seed: u64) -> Vec<f32> {
    let mut rng = rng(seed);
    (0..model.layout().len()).map(|_| rng.random_range(-0.8..0.8)).collect()
}

/// How large weights may have become: from nothing to the end of single precision.
fn scales() -> impl Strategy<Value = f32> {
    prop_oneof![Just(1e-6f32), Just(1.0), Just(30.0), Just(1e4), Just(1e18), Just(3e38)]
}

/// Random valid rows, one after the other.
fn rows(model: &Gpt2, count: usize, seed: u64) -> Vec<u32> {
    let mut rng = rng(seed);
    (0..count).flat_map(|_| model.heads().spans().to_vec()).map(|span| rng.random_range(span)).collect()
}

fn gradient_sum(model: &Gpt2, p: &[f32], tokens: &[u32], clipping: Clipping) -> Vec<f32> {
    let t = model.config().positions;
    let fetch = |i: usize, out: &mut [u32]| out.copy_from_slice(&tokens[i * t..(i + 1) * t]);
    let mut sum = vec![0.0; model.layout().trained_len()];
    let batch = Batch::of_rows(tokens.len() / t, &fetch);
    Lanes::new(model, 1).gradient_sum(model, p, batch, clipping, &mut sum);
    sum.into_iter().map(|x| x as f32).collect()
}

fn losses(model: &Gpt2, p: &[f32], tokens: &[u32]) -> Vec<f32> {
    let t = model.config().positions;
    let fetch = |i: usize, out: &mut [u32]| out.copy_from_slice(&tokens[i * t..(i + 1) * t]);
    Lanes::new(model, 1).losses(model, p, Batch::of_rows(tokens.len() / t, &fetch))
}

/// Rows of tokens of different lengths, and what their places choose from.
struct Ragged(Vec<(Vec<u32>, Vec<u32>)>);

impl Rows for Ragged {
    fn length(&self, i: usize) -> usize {
        self.0[i].0.len()
    }

    fn write(&self, i: usize, tokens: &mut [u32], choices: &mut [u32]) {
        tokens.copy_from_slice(&self.0[i].0);
        choices.copy_from_slice(&self.0[i].1);
    }
}

/// The sum over ragged rows, in the room that is given or the default one.
fn ragged_sum(model: &Gpt2, p: &[f32], rows: &Ragged, clipping: Clipping, room: Option<Room>) -> Vec<f32> {
    let mut sum = vec![0.0; model.layout().trained_len()];
    let batch = Batch::of_ragged_rows(rows.0.len(), rows);
    let mut lanes = Lanes::with_room(model, 1, room.unwrap_or(Room::of(model)));
    lanes.gradient_sum(model, p, batch, clipping, &mut sum);
    sum.into_iter().map(|x| x as f32).collect()
}

fn ragged_losses(model: &Gpt2, p: &[f32], rows: &Ragged) -> Vec<f32> {
    Lanes::new(model, 1).losses(model, p, Batch::of_ragged_rows(rows.0.len(), rows))
}

/// Asserts that the clipped sum is that of one row at a time, with a bound that clips half of them,
/// by one backward pass and by two, in chunks of different sizes.
fn check_one_by_one(model: &Gpt2, p: &[f32], rows: &Ragged) {
    let alone = |row: &(Vec<u32>, Vec<u32>)| ragged_sum(model, p, &Ragged(vec![row.clone()]), Clipping::None, None);
    let gradients: Vec<Vec<f32>> = rows.0.iter().map(alone).collect();
    let mut norms: Vec<f64> = gradients.iter().map(|g| norm(g)).collect();
    norms.sort_by(f64::total_cmp);
    let bound = norms[norms.len() / 2];
    assert!(bound > 0.0);
    let mut expected = vec![0f64; gradients[0].len()];
    for gradient in &gradients {
        let factor = (bound / norm(gradient)).min(1.0);
        expected.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += factor * f64::from(*g));
    }
    let expected: Vec<f32> = expected.into_iter().map(|x| x as f32).collect();
    for two_passes in [false, true] {
        for (places, lanes) in [(1024, 8), (64, 1), (128, 2)] {
            let room = Some(Room { places, lanes, two_passes });
            let ours = ragged_sum(model, p, rows, Clipping::Norm(bound), room);
            assert_parts_agree(model, &ours, &expected, 1e-4);
        }
    }
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// Asserts that every named part of two gradients agrees to `tolerance` of its largest element.
fn assert_parts_agree(model: &Gpt2, a: &[f32], b: &[f32], tolerance: f32) {
    for tensor in model.layout().tensors() {
        let Some(slot) = tensor.slot.clone() else { continue };
        let (a, b) = (&a[slot.clone()], &b[slot]);
        let size = a.iter().chain(b).fold(1e-6f32, |m, x| m.max(x.abs()));
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() <= tolerance * size, "{}: {x} against {y}", tensor.name);
        }
    }
}
