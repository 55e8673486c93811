//! Writing synthetic rows: post-processing of released weights, free of charge.
//!
//! Rows are written in batches, each with a stream of its own, so the table does not depend on the
//! number of threads. Every row is valid by construction; none is rejected.
//!
//! Where cells are given that come after cells that are drawn, what was drawn could not know them. Then
//! several candidates are written for each row, weighed by how likely what was given was when its turn
//! came, and one is drawn in proportion (sampling importance resampling, Rubin 1988). With more candidates
//! that comes as close as one likes to the model's own conditional distribution.

use rand::Rng;
use rayon::prelude::*;

use crate::model::Sampler;
use crate::privacy::Purpose;
use crate::tabular::{Schema, Table};

use super::given::{Given, candidates};
use super::ports::{Halt, Progress, Stage, Stop, Streams};
use super::style::Style;
use super::writing::{Wish, Writer, Written};

/// Batches between two pulses.
pub const WAVE: usize = 16;

/// Rows to be written.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// How many.
    pub rows: usize,
    /// What is given of row `i`: a cell for each column, or nothing.
    pub given: &'a (dyn Fn(usize) -> &'a [Given] + Sync),
    /// Candidates for a row whose given cells come after drawn ones, at least 1.
    pub candidates: usize,
    /// How tokens are drawn.
    pub style: Style,
    /// Which time rows are written with the same streams: each time they are others.
    pub round: u32,
}

impl Order<'_> {
    /// Rows of which nothing is given.
    #[must_use]
    pub fn free(rows: usize) -> Self {
        Order { rows, given: &|_| &[], candidates: 1, style: Style::default(), round: 0 }
    }

    /// Candidates for row `i`.
    fn candidates(&self, schema: &Schema, i: usize) -> usize {
        candidates(schema, (self.given)(i), self.candidates)
    }
}

/// Writes rows.
///
/// # Errors
/// [`Halt`] when the host says so.
pub fn generate(
    writer: Writer<'_>,
    schema: &Schema,
    order: &Order<'_>,
    (streams, stop): (&dyn Streams, &dyn Stop),
) -> Result<Table, Halt> {
    let batches = batches(Sampler::rows_of(writer.model), schema, order);
    let waves = batches.len().div_ceil(WAVE) as u32;
    let mut table = Table::new(schema.width(), Vec::new());
    for (wave, batches) in batches.chunks(WAVE).enumerate() {
        stop.pulse(Progress { stage: Stage::Generate, step: wave as u32, steps: waves })?;
        let written: Vec<Table> = batches
            .par_iter()
            .enumerate()
            .map(|(i, rows)| {
                let number = u64::from(order.round) << 32 | (wave * WAVE + i) as u64;
                let mut rng = streams.stream(Purpose::Generation, number);
                batch(writer, schema, (order, rows.clone()), &mut rng)
            })
            .collect();
        written.iter().flat_map(Table::iter).for_each(|row| table.push(row));
    }
    Ok(table)
}

/// Rows cut into batches whose candidates fit side by side.
fn batches(most: usize, schema: &Schema, order: &Order<'_>) -> Vec<std::ops::Range<usize>> {
    let mut batches: Vec<std::ops::Range<usize>> = Vec::new();
    let mut taken = usize::MAX;
    for i in 0..order.rows {
        let candidates = order.candidates(schema, i);
        match batches.last_mut() {
            Some(last) if taken + candidates <= most => last.end = i + 1,
            _ => {
                batches.push(i..i + 1);
                taken = 0;
            }
        }
        taken += candidates;
    }
    batches
}

fn batch<R: Rng>(
    writer: Writer<'_>,
    schema: &Schema,
    (order, rows): (&Order<'_>, std::ops::Range<usize>),
    rng: &mut R,
) -> Table {
    let wishes: Vec<(usize, Wish<'_>)> = rows
        .flat_map(|row| {
            let candidates = order.candidates(schema, row);
            let wish = Wish { given: (order.given)(row), weighed: candidates > 1 };
            std::iter::repeat_n((row, wish), candidates)
        })
        .collect();
    let only: Vec<Wish<'_>> = wishes.iter().map(|&(_, wish)| wish).collect();
    let written = writer.write(&only, order.style, rng);
    let mut table = Table::new(schema.width(), Vec::new());
    let mut rest = &written[..];
    for candidates in wishes.chunk_by(|a, b| a.0 == b.0) {
        let (these, others) = rest.split_at(candidates.len());
        table.push(&drawn(these, rng).codes);
        rest = others;
    }
    table
}

/// One of the candidates, in proportion to their weights.
fn drawn<'w, R: Rng>(candidates: &'w [Written], rng: &mut R) -> &'w Written {
    let highest = candidates.iter().map(|written| written.weight).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = candidates.iter().map(|written| (written.weight - highest).exp()).collect();
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let passed = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    &candidates[passed.unwrap_or(0)]
}
