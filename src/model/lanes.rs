//! Sums of clipped gradients over a batch, in parallel and yet bit for bit the same at any number of
//! threads: the batch is cut into chunks by a fixed rule, chunk `c` belongs to lane `c mod lanes`, a
//! lane adds up its chunks in order, and the lanes are added up in order. All rows of a unit are in
//! one chunk, for they are clipped together.
//!
//! A chunk's sum is in single precision, sums of chunks are in double: without one of its units a
//! batch is cut elsewhere, and the rounding of a long sum in single precision would move with it.
//!
//! A chunk that is not full is filled up with rows that count 0 times, so that products have shapes
//! for which what is computed for one row does not depend, not even in its last bit, on how many
//! other rows there are: the bound on one row's influence would not survive that where weights are
//! so large that rounding decides.

use std::sync::Mutex;

use rayon::prelude::*;

use super::batch::{Batch, Chunk};
use super::clip::{Clipping, unit_factors};
use super::gpt2::Gpt2;
use super::head::{Heads, logits};
use super::ops::vectorised;
use super::room::Room;
use super::tape::{Capacity, Tape};
use super::{gradient, norms};

/// Buffers for passes over batches, allocated once.
pub struct Lanes {
    /// Sums, one a lane.
    sums: Vec<Vec<f64>>,
    /// Tapes that no thread uses at the moment. There are as many as threads have needed at once: what a
    /// tape held before does not matter, and one that was just used is still in cache.
    tapes: Mutex<Vec<Tape>>,
    capacity: Capacity,
    room: Room,
    longest: usize,
}

impl Lanes {
    /// Buffers for a model and for units of at most `longest` rows.
    #[must_use]
    pub fn new(model: &Gpt2, longest: usize) -> Self {
        Self::with_room(model, longest, Room::of(model))
    }

    /// Buffers of a chosen size.
    #[must_use]
    pub fn with_room(model: &Gpt2, longest: usize, room: Room) -> Self {
        let capacity = room.capacity(model, longest);
        let length = model.layout().trained_len();
        // A single lane adds up where the caller wants it.
        let length = if room.lanes == 1 { 0 } else { length };
        let sums = (0..room.lanes).map(|_| vec![0.0; length]).collect();
        Self { sums, tapes: Mutex::default(), capacity, room, longest }
    }

    /// Bytes of the buffers of a pass by so many threads.
    #[must_use]
    pub fn bytes(model: &Gpt2, longest: usize, room: Room, threads: usize) -> usize {
        let length = if room.lanes == 1 { 0 } else { model.layout().trained_len() };
        let tapes = room.lanes.min(threads.max(1));
        tapes * Tape::bytes(model, room.capacity(model, longest)) + room.lanes * 8 * length
    }

    /// Writes `sum over rows of factor * gradient of the row's loss` to `out` (one number a trained
    /// parameter), where the factor is the clipping's for the row's unit. An empty batch gives zeros.
    pub fn gradient_sum(
        &mut self,
        model: &Gpt2,
        parameters: &[f32],
        batch: Batch<'_>,
        clipping: Clipping,
        out: &mut [f64],
    ) {
        let keeps = !self.room.two_passes;
        let pass = |tape: &mut Tape, chunk: &Chunk, sum: &mut [f64]| match clipping {
            Clipping::None => unclipped((model, parameters), tape, chunk, sum),
            Clipping::Norm(_) => clipped((model, parameters, keeps), tape, (chunk, clipping), sum),
        };
        out.fill(0.0);
        if self.sums.len() == 1 {
            let passes = self.passes(model, parameters, batch);
            let chunks = batch.chunks(self.room.cut(model));
            return self.with_tape(model, |tape| passes.over(&chunks, tape, |tape, chunk| pass(tape, chunk, out)));
        }
        self.each(model, parameters, batch, pass);
        for sum in &self.sums {
            vectorised!(out.iter_mut().zip(sum).for_each(|(sum, part)| *sum += part));
        }
    }

    /// The loss of every row. On private rows this is private.
    pub fn losses(&mut self, model: &Gpt2, parameters: &[f32], batch: Batch<'_>) -> Vec<f32> {
        let losses = Mutex::new(vec![0f32; batch.rows()]);
        self.each(model, parameters, batch, |tape, chunk, _| {
            if let Ok(mut losses) = losses.lock() {
                chunk.rows.iter().zip(&tape.loss).for_each(|(&row, &loss)| losses[row] = loss);
            }
        });
        losses.into_inner().unwrap_or_default()
    }

    /// The logits of every place of one row, `length x vocabulary`, for heads over the whole vocabulary;
    /// empty for others. On private rows they are private.
    pub fn logits(&mut self, model: &Gpt2, parameters: &[f32], row: &[u32]) -> Vec<f32> {
        let Heads::All = model.heads() else { return Vec::new() };
        let fetch = |_: usize, tokens: &mut [u32]| tokens[..row.len()].copy_from_slice(row);
        let batch = Batch::of_rows(1, &fetch);
        let passes = self.passes(model, parameters, batch);
        let mut all = Vec::new();
        self.with_tape(model, |tape| {
            passes.over(&batch.chunks(self.room.cut(model)), tape, |tape, _| {
                logits(model, parameters, tape);
                all = tape.logits[..row.len() * model.config().vocabulary].to_vec();
            });
        });
        all
    }

    /// Runs every chunk forward in its lane, then hands it on, with the lane's sum.
    fn each<F>(&mut self, model: &Gpt2, parameters: &[f32], batch: Batch<'_>, work: F)
    where
        F: Fn(&mut Tape, &Chunk, &mut [f64]) + Sync,
    {
        let passes = self.passes(model, parameters, batch);
        let (chunks, count) = (batch.chunks(self.room.cut(model)), self.sums.len());
        let mut sums = std::mem::take(&mut self.sums);
        sums.par_iter_mut().enumerate().for_each(|(which, sum)| {
            sum.fill(0.0);
            let chunks = chunks.iter().skip(which).step_by(count);
            self.with_tape(model, |tape| passes.over(chunks, tape, |tape, chunk| work(tape, chunk, sum)));
        });
        self.sums = sums;
    }

    fn passes<'a>(&self, model: &'a Gpt2, parameters: &'a [f32], batch: Batch<'a>) -> Passes<'a> {
        Passes { model, parameters, batch, room: self.room, longest: self.longest }
    }

    /// Lends a tape.
    fn with_tape(&self, model: &Gpt2, work: impl FnOnce(&mut Tape)) {
        let spare = self.tapes.lock().ok().and_then(|mut tapes| tapes.pop());
        let mut tape = spare.unwrap_or_else(|| Tape::new(model, self.capacity));
        work(&mut tape);
        if let Ok(mut tapes) = self.tapes.lock() {
            tapes.push(tape);
        }
    }
}

/// What passes over chunks of a batch share.
#[derive(Clone, Copy)]
struct Passes<'a> {
    model: &'a Gpt2,
    parameters: &'a [f32],
    batch: Batch<'a>,
    room: Room,
    longest: usize,
}

impl Passes<'_> {
    /// Runs chunks forward through one tape, one after the other, and hands them on.
    fn over<'c>(
        &self,
        chunks: impl IntoIterator<Item = &'c Chunk>,
        tape: &mut Tape,
        mut work: impl FnMut(&mut Tape, &Chunk),
    ) {
        for chunk in chunks {
            let rows = self.room.filled(self.model, self.longest, chunk);
            forward((self.model, self.parameters), self.batch, chunk, rows, tape);
            work(tape, chunk);
        }
    }
}

/// Loads a chunk, filled up to `rows` rows, and runs it up to the losses and the gradients of the logits.
fn forward((model, p): (&Gpt2, &[f32]), batch: Batch<'_>, chunk: &Chunk, rows: usize, tape: &mut Tape) {
    let t = chunk.places;
    (tape.rows, tape.t) = (rows, t);
    let (tokens, choices) = (&mut tape.targets[..rows * t], &mut tape.choices[..rows * t]);
    chunk.write((model.heads(), model.config().opening), batch, tokens, choices);
    model.forward(p, tape);
    model.heads().loss(model, p, tape);
}

/// Adds the gradients of public rows as they are. A row whose loss is not finite counts 0 times.
fn unclipped((model, p): (&Gpt2, &[f32]), tape: &mut Tape, chunk: &Chunk, sum: &mut [f64]) {
    let counts = |(row, loss): (usize, &f32)| f32::from(u8::from(row < chunk.rows.len() && loss.is_finite()));
    let factors: Vec<f32> = tape.loss[..tape.rows].iter().enumerate().map(counts).collect();
    again((model, p), tape, &factors, sum);
}

/// Adds clipped gradients: by one backward pass whose outputs are kept, or by two.
fn clipped(
    (model, p, keeps): (&Gpt2, &[f32], bool),
    tape: &mut Tape,
    (chunk, clipping): (&Chunk, Clipping),
    sum: &mut [f64],
) {
    let (n, rows, t) = (tape.n(), tape.rows, tape.t);
    let mut squared = vec![0f64; rows];
    model.backward(p, tape, |l, k, g| norms::add_block(l, k, g, t, &mut squared));
    tape.norms[..rows].copy_from_slice(&squared);
    norms::add_ends(model, tape);
    for unit in &chunk.units {
        unit_factors(&mut tape.norms, unit.clone(), clipping);
    }
    tape.norms[chunk.rows.len()..].fill(0.0);
    let factors: Vec<f32> = tape.norms[..rows].iter().map(|&factor| factor as f32).collect();
    if !keeps {
        return again((model, p), tape, &factors, sum);
    }
    model.heads().scale(model, tape, &factors);
    clear(tape, &factors);
    for (l, (k, g)) in model.layout().blocks.iter().zip(tape.blocks.iter().zip(&mut tape.gradients)) {
        g.scale(n, &factors);
        gradient::add_block(l, k, g, n, sum);
    }
    tape.scale_ends(&factors);
    gradient::add_ends(model, tape, sum);
}

/// A backward pass that counts every row `factor` times and adds up as it goes.
///
/// Factors multiply what comes out of each block, not what goes into the pass: so it computes to the
/// last bit what the pass before it did, from which the norms are. Scaled on the way in, rounding would
/// go another way, and where weights are large that is enough to leave the bound.
fn again((model, p): (&Gpt2, &[f32]), tape: &mut Tape, factors: &[f32], sum: &mut [f64]) {
    let n = tape.n();
    clear(tape, factors);
    model.backward(p, tape, |l, k, g| {
        g.scale(n, factors);
        gradient::add_block(l, k, g, n, sum);
    });
    model.heads().scale(model, tape, factors);
    tape.scale_ends(factors);
    gradient::add_ends(model, tape, sum);
}

/// Rows that count 0 times may hold anything.
fn clear(tape: &mut Tape, factors: &[f32]) {
    for (row, _) in factors.iter().enumerate().filter(|&(_, &factor)| factor == 0.0) {
        tape.clear(row);
    }
}
