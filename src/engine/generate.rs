//! Writing synthetic rows: post-processing of released weights, free of charge.
//!
//! Rows are written in batches, each with a stream of its own, so the table does not depend on the
//! number of threads. Every row is valid by construction; none is rejected.

use rayon::prelude::*;

use crate::model::{Gpt2, Sampler};
use crate::privacy::Purpose;
use crate::tabular::{Codec, Table};

use super::ports::{Halt, Progress, Stage, Stop, Streams};

/// Rows of a batch.
pub const BATCH: usize = 256;

/// Batches between two pulses.
pub const WAVE: usize = 16;

/// Writes `rows` rows from the model at `weights`.
///
/// # Errors
/// [`Halt`] when the host says so.
pub fn generate(
    model: &Gpt2,
    codec: &Codec,
    weights: &[f32],
    rows: usize,
    (streams, stop): (&dyn Streams, &dyn Stop),
) -> Result<Table, Halt> {
    let waves = rows.div_ceil(WAVE * BATCH) as u32;
    let mut table = Table::new(codec.width(), Vec::new());
    for wave in 0..waves {
        stop.pulse(Progress { stage: Stage::Generate, step: wave, steps: waves })?;
        let first = wave as usize * WAVE * BATCH;
        let sizes: Vec<usize> =
            (first..rows.min(first + WAVE * BATCH)).step_by(BATCH).map(|at| BATCH.min(rows - at)).collect();
        let batches: Vec<Table> = sizes
            .par_iter()
            .enumerate()
            .map(|(i, &size)| {
                let mut rng = streams.stream(Purpose::Generation, (wave as usize * WAVE + i) as u64);
                batch(model, codec, weights, size, &mut rng)
            })
            .collect();
        batches.iter().flat_map(Table::iter).for_each(|row| table.push(row));
    }
    Ok(table)
}

fn batch<R: rand::Rng>(model: &Gpt2, codec: &Codec, weights: &[f32], rows: usize, rng: &mut R) -> Table {
    let t = codec.width();
    let mut tokens = vec![0u32; rows * t];
    Sampler::new(model, rows).write(model, weights, rng, &mut tokens);
    let mut table = Table::new(t, Vec::with_capacity(rows * t));
    let mut row = vec![0; t];
    for tokens in tokens.chunks_exact(t) {
        codec.decode(tokens, rng, &mut row);
        table.push(&row);
    }
    table
}
