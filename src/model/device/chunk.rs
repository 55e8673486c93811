//! A chunk of rows as the device wants it: tokens read, tokens to predict, over what and how often.

use candle_core::{Device, Result, Tensor};

use super::place::DeviceError;
use crate::model::batch::{Batch, Chunk};
use crate::model::gpt2::Gpt2;
use crate::model::head::{Heads, NONE};

/// The most numbers that the masks of all sets may have.
const MASKS: usize = 1 << 28;

/// Which tokens each set of choices allows: 0 for those, minus infinity for others; the last row allows
/// all, for places that predict nothing. `(sets + 1) x v`, or none where every place writes any token.
pub fn masks(model: &Gpt2, device: &Device) -> std::result::Result<Option<Tensor>, DeviceError> {
    let v = model.config().vocabulary;
    let count = match model.heads() {
        Heads::All => return Ok(None),
        Heads::Places { spans, .. } => spans.len(),
        Heads::Sets { sets, .. } => sets.len(),
    };
    if (count + 1).saturating_mul(v) > MASKS {
        return Err(DeviceError::Sets { sets: count, vocabulary: v });
    }
    let mut cells = vec![f32::NEG_INFINITY; count * v];
    cells.resize((count + 1) * v, 0.0);
    match model.heads() {
        Heads::All => {}
        Heads::Places { spans, .. } => {
            for (row, span) in cells.chunks_exact_mut(v).zip(spans) {
                row[span.start as usize..span.end as usize].fill(0.0);
            }
        }
        Heads::Sets { sets, .. } => {
            for (row, set) in cells.chunks_exact_mut(v).zip(sets) {
                set.iter().for_each(|&token| row[token as usize] = 0.0);
            }
        }
    }
    Ok(Some(Tensor::from_vec(cells, (count + 1, v), device)?))
}

/// The rows of a chunk on the device.
pub struct Loaded {
    /// Rows, those that fill it up included.
    pub b: usize,
    /// Places of each.
    pub t: usize,
    /// Tokens read, `n`.
    pub inputs: Tensor,
    /// Tokens to predict, `n`.
    pub targets: Tensor,
    /// The row of the masks of each place, `n`.
    pub picks: Tensor,
    /// How often the loss counts each place, `n x 1`.
    pub shares: Tensor,
}

impl Loaded {
    /// Loads a chunk, filled up to `b` rows.
    pub fn new(model: &Gpt2, batch: Batch<'_>, chunk: &Chunk, b: usize, device: &Device) -> Result<Self> {
        let (t, opening) = (chunk.places, model.config().opening);
        let n = b * t;
        let (mut targets, mut choices) = (vec![0; n], vec![NONE; n]);
        chunk.write((model.heads(), opening), batch, &mut targets, &mut choices);
        let inputs: Vec<u32> = (0..n).map(|i| if i % t == 0 { opening } else { targets[i - 1] }).collect();
        let mut shares = vec![0f32; n];
        let mut picks = vec![0u32; n];
        for row in 0..b {
            let places = row * t..(row + 1) * t;
            let predicted = choices[places.clone()].iter().filter(|&&choice| choice != NONE).count();
            for i in places {
                (picks[i], shares[i]) = pick(model.heads(), choices[i], targets[i], predicted);
            }
        }
        Ok(Self {
            b,
            t,
            inputs: Tensor::from_vec(inputs, n, device)?,
            targets: Tensor::from_vec(targets, n, device)?,
            picks: Tensor::from_vec(picks, n, device)?,
            shares: Tensor::from_vec(shares, (n, 1), device)?,
        })
    }
}

/// The row of the masks and the share of the loss of a place. A target outside its set would be a fault of
/// the grammar; it teaches nothing.
fn pick(heads: &Heads, choice: u32, target: u32, predicted: usize) -> (u32, f32) {
    let at = choice as usize;
    match heads {
        Heads::All if choice == NONE => (0, 0.0),
        Heads::All => (0, 1.0 / predicted.max(1) as f32),
        Heads::Places { spans, shares } => match spans.get(at) {
            Some(span) if span.contains(&target) => (choice, shares[at]),
            _ => (spans.len() as u32, 0.0),
        },
        Heads::Sets { sets, share } => match sets.get(at) {
            Some(set) if set.binary_search(&target).is_ok() => (choice, *share),
            _ => (sets.len() as u32, 0.0),
        },
    }
}
