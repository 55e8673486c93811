//! Sums of row gradients over a batch, in parallel and yet bit for bit the same at any number of
//! threads: rows are cut into chunks of a fixed size, chunk `c` belongs to lane `c mod LANES`, a
//! lane adds up its chunks in order, and the lanes are added up in order.
//!
//! A chunk's sum is in single precision, sums of chunks are in double: without one of its rows a
//! batch is cut elsewhere, and the rounding of a long sum in single precision would move with it.
//!
//! A chunk that is not full is filled up with rows that count 0 times. So every product has the same
//! shape, and what is computed for one row does not depend, not even in its last bit, on how many
//! other rows there are: the bound on one row's influence would not survive that where weights are
//! so large that rounding decides.

use rayon::prelude::*;

use super::clip::{Clipping, row_factors};
use super::gpt2::Gpt2;
use super::gradient::add_weighted;
use super::norms::squared_norms;
use super::tape::Tape;

/// Partial sums, and so the most threads that a batch keeps busy.
pub const LANES: usize = 8;

/// Positions a chunk is meant to hold: enough for the matrix products to be worth it, few enough
/// for the tape to stay in cache.
const POSITIONS: usize = 1024;

/// Rows of a batch, fetched one at a time.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    /// The number of rows; may be 0.
    pub rows: usize,
    /// Writes the tokens of row `i`, one a position, each inside its position's span.
    pub fetch: &'a (dyn Fn(usize, &mut [u32]) + Sync),
}

/// Buffers for passes over batches, allocated once.
pub struct Lanes {
    lanes: Vec<Lane>,
    chunk: usize,
}

struct Lane {
    tape: Tape,
    chunk: Vec<f32>,
    sum: Vec<f64>,
}

impl Lanes {
    /// Buffers for a model.
    #[must_use]
    pub fn new(model: &Gpt2) -> Self {
        let chunk = (POSITIONS / model.config().positions).clamp(1, 64);
        let length = model.layout().len();
        let lane = || Lane { tape: Tape::new(model.config(), chunk), chunk: vec![0.0; length], sum: vec![0.0; length] };
        Self { lanes: (0..LANES).map(|_| lane()).collect(), chunk }
    }

    /// Writes `sum over rows of factor * gradient of the row's loss` to `out`, where the factor is
    /// the clipping's. An empty batch gives zeros.
    pub fn gradient_sum(
        &mut self,
        model: &Gpt2,
        parameters: &[f32],
        batch: Batch<'_>,
        clipping: Clipping,
        out: &mut [f64],
    ) {
        self.each_chunk(model, parameters, batch, |lane, _, rows| {
            model.backward(parameters, &mut lane.tape);
            squared_norms(model, &mut lane.tape);
            row_factors(&mut lane.tape.norms[..rows], clipping);
            lane.tape.norms[rows..].fill(0.0);
            lane.chunk.fill(0.0);
            add_weighted(model, &mut lane.tape, &mut lane.chunk);
            lane.sum.iter_mut().zip(&lane.chunk).for_each(|(sum, &part)| *sum += f64::from(part));
        });
        out.fill(0.0);
        for lane in &self.lanes {
            out.iter_mut().zip(&lane.sum).for_each(|(sum, part)| *sum += part);
        }
    }

    /// The loss of every row. On private rows this is private.
    pub fn losses(&mut self, model: &Gpt2, parameters: &[f32], batch: Batch<'_>) -> Vec<f32> {
        let losses = std::sync::Mutex::new(vec![0f32; batch.rows]);
        self.each_chunk(model, parameters, batch, |lane, first, rows| {
            if let Ok(mut losses) = losses.lock() {
                losses[first..first + rows].copy_from_slice(&lane.tape.loss[..rows]);
            }
        });
        losses.into_inner().unwrap_or_default()
    }

    /// Runs every chunk forward, then hands it on with the index of its first row and the number of
    /// rows that count.
    fn each_chunk<F>(&mut self, model: &Gpt2, parameters: &[f32], batch: Batch<'_>, work: F)
    where
        F: Fn(&mut Lane, usize, usize) + Sync,
    {
        let (chunk, t) = (self.chunk, model.config().positions);
        self.lanes.par_iter_mut().enumerate().for_each(|(which, lane)| {
            lane.sum.fill(0.0);
            for first in (which * chunk..batch.rows).step_by(LANES * chunk) {
                let rows = chunk.min(batch.rows - first);
                for (row, tokens) in lane.tape.targets.chunks_exact_mut(t).enumerate() {
                    if row < rows {
                        (batch.fetch)(first + row, tokens);
                    } else {
                        model.first_row(tokens);
                    }
                }
                model.forward(parameters, &mut lane.tape);
                work(lane, first, rows);
            }
        });
    }
}
