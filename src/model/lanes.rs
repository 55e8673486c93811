//! Sums of clipped gradients over a batch, in parallel and yet bit for bit the same at any number of
//! threads: the batch is cut into chunks of a fixed size, chunk `c` belongs to lane `c mod LANES`, a
//! lane adds up its chunks in order, and the lanes are added up in order. All rows of a unit are in
//! one chunk, for they are clipped together.
//!
//! A chunk's sum is in single precision, sums of chunks are in double: without one of its units a
//! batch is cut elsewhere, and the rounding of a long sum in single precision would move with it.
//!
//! A chunk that is not full is filled up with rows that count 0 times. So every product has the same
//! shape, and what is computed for one row does not depend, not even in its last bit, on how many
//! other rows there are: the bound on one row's influence would not survive that where weights are
//! so large that rounding decides.

use std::ops::Range;

use rayon::prelude::*;

use super::batch::Batch;
use super::clip::{Clipping, unit_factors};
use super::gpt2::Gpt2;
use super::gradient::add_weighted;
use super::norms::squared_norms;
use super::tape::Tape;

/// Partial sums, and so the most threads that a batch keeps busy.
pub const LANES: usize = 8;

/// Positions a chunk is meant to hold: enough for the matrix products to be worth it, few enough
/// for the tape to stay in cache.
const POSITIONS: usize = 1024;

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
    /// Buffers for a model and for units of at most `longest` rows.
    #[must_use]
    pub fn new(model: &Gpt2, longest: usize) -> Self {
        let chunk = (POSITIONS / model.config().positions).clamp(1, 64).max(longest);
        let length = model.layout().len();
        let lane = || Lane { tape: Tape::new(model.config(), chunk), chunk: vec![0.0; length], sum: vec![0.0; length] };
        Self { lanes: (0..LANES).map(|_| lane()).collect(), chunk }
    }

    /// Writes `sum over rows of factor * gradient of the row's loss` to `out`, where the factor is
    /// the clipping's for the row's unit. An empty batch gives zeros.
    pub fn gradient_sum(
        &mut self,
        model: &Gpt2,
        parameters: &[f32],
        batch: Batch<'_>,
        clipping: Clipping,
        out: &mut [f64],
    ) {
        self.each_chunk(model, parameters, batch, |lane, rows| {
            model.backward(parameters, &mut lane.tape);
            squared_norms(model, &mut lane.tape);
            for unit in batch.units_in(rows.clone()) {
                unit_factors(&mut lane.tape.norms, unit.start - rows.start..unit.end - rows.start, clipping);
            }
            lane.tape.norms[rows.len()..].fill(0.0);
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
        let losses = std::sync::Mutex::new(vec![0f32; batch.rows()]);
        self.each_chunk(model, parameters, batch, |lane, rows| {
            let loss = &lane.tape.loss[..rows.len()];
            if let Ok(mut losses) = losses.lock() {
                losses[rows].copy_from_slice(loss);
            }
        });
        losses.into_inner().unwrap_or_default()
    }

    /// Runs every chunk forward, then hands it on with the rows of the batch that it holds.
    fn each_chunk<F>(&mut self, model: &Gpt2, parameters: &[f32], batch: Batch<'_>, work: F)
    where
        F: Fn(&mut Lane, Range<usize>) + Sync,
    {
        let (pieces, t) = (batch.pieces(self.chunk), model.config().positions);
        self.lanes.par_iter_mut().enumerate().for_each(|(which, lane)| {
            lane.sum.fill(0.0);
            for rows in pieces.iter().skip(which).step_by(LANES) {
                for (row, tokens) in lane.tape.targets.chunks_exact_mut(t).enumerate() {
                    if row < rows.len() {
                        (batch.fetch)(rows.start + row, tokens);
                    } else {
                        model.first_row(tokens);
                    }
                }
                model.forward(parameters, &mut lane.tape);
                work(lane, rows.clone());
            }
        });
    }
}
