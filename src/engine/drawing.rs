//! The synthetic rows: from the language model, from the distribution, or from whichever of them is nearer to the
//! noisy tables.

use std::time::Instant;

use crate::marginals::Distribution;
use crate::privacy::Purpose;
use crate::tabular::{Schema, Table};

use super::binned::{binned, rows_of};
use super::generate::{Order, generate};
use super::plan::Plan;
use super::ports::{Halt, Stop, Streams};
use super::ruled::{Ruled, ruled, valued};
use super::shape::written;
use super::stages::Generator;
use super::writing::Writer;

/// Rows that a generator drew.
pub struct Drawn {
    /// Who drew them.
    pub generator: Generator,
    /// The rows, in the schema's codes.
    pub rows: Table,
    /// How far they are from the noisy tables, where there are some: the mean over tables of the part of rows that would
    /// have to move. Post-processing.
    pub distance: Option<f64>,
    /// What the language model wrote for them, if it did.
    pub effort: Option<Effort>,
    /// How many rows were drawn for those that keep the rules of the schema. Post-processing.
    pub tried: u64,
}

/// What a language model wrote, the rows that were not kept included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Rows.
    pub rows: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Seconds by the clock, for the custodian.
    pub seconds: f64,
}

/// Rows that are drawn from a language model for one that is kept, up to so many.
const SPARE: usize = 2;
const SPARED: usize = 400_000;

/// What draws rows.
pub struct Drawing<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// The schema of the rows.
    pub schema: &'a Schema,
    /// The distribution, if there is one.
    pub distribution: Option<&'a Distribution>,
    /// The language model, if there is one.
    pub writer: Option<Writer<'a>>,
}

impl Drawing<'_> {
    /// The rows of each generator that there is, the one to use first. Of a generator that hardly ever keeps the rules of the
    /// schema there are fewer than planned; one that never does is left out.
    ///
    /// # Errors
    /// [`Halt`] when the host says so.
    pub fn rows(&self, streams: &dyn Streams, stop: &dyn Stop) -> Result<Vec<Drawn>, Halt> {
        let mut drawn = Vec::new();
        let alone = self.plan.generator == Generator::Distribution && self.distribution.is_some();
        if let Some(writer) = self.writer.filter(|_| !alone) {
            drawn.push(self.by_model(writer, streams, stop)?);
        }
        if let Some(distribution) =
            self.distribution.filter(|_| self.plan.generator != Generator::Lm || drawn.is_empty())
        {
            let mut distance = None;
            let Ruled { rows, drawn: tried } = ruled(self.schema, self.plan.rows as usize, |round, count| {
                let mut rng = streams.stream(Purpose::Pseudo, pseudo_stream(round, 0));
                let rows = distribution.draw(count, &mut rng);
                distance = Some(distribution.distance(&rows));
                Ok(valued(distribution, &rows, self.schema, &mut rng))
            })?;
            let distance = self.distance_of(&rows, distance);
            drawn.push(Drawn { generator: Generator::Distribution, rows, distance, effort: None, tried });
        }
        drawn.retain(|drawn| drawn.rows.rows() > 0);
        // Whole tables before others, then the nearest; the order of the two stays where they are as near, or nothing can be said.
        let short = |drawn: &Drawn| drawn.rows.rows() < self.plan.rows as usize;
        let far = |drawn: &Drawn| drawn.distance.unwrap_or(0.0);
        drawn.sort_by(|a, b| short(a).cmp(&short(b)).then(far(a).total_cmp(&far(b))));
        Ok(drawn)
    }

    /// Rows of a language model, corrected by the distribution where there is one.
    ///
    /// # Errors
    /// [`Halt`] when the host says so.
    pub(super) fn by_model(&self, writer: Writer<'_>, streams: &dyn Streams, stop: &dyn Stop) -> Result<Drawn, Halt> {
        let (mut distance, mut effort) = (None, Effort { rows: 0, tokens: 0, seconds: 0.0 });
        let Ruled { rows, drawn: tried } = ruled(self.schema, self.plan.rows as usize, |round, count| {
            let (rows, far) = self.written(writer, (round, count), &mut effort, (streams, stop))?;
            distance = far;
            Ok(rows)
        })?;
        let distance = self.distance_of(&rows, distance);
        Ok(Drawn { generator: Generator::Lm, rows, distance, effort: Some(effort), tried })
    }

    /// One round of rows of a language model, and how far they are from the noisy tables.
    fn written(
        &self,
        writer: Writer<'_>,
        (round, rows): (u32, usize),
        effort: &mut Effort,
        (streams, stop): (&dyn Streams, &dyn Stop),
    ) -> Result<(Table, Option<f64>), Halt> {
        let schema = written(self.plan, self.schema);
        let spare = SPARE * rows <= SPARED && self.distribution.is_some();
        let order = Order { round, ..Order::free(if spare { SPARE * rows } else { rows }) };
        let begun = Instant::now();
        let table = generate(writer, &schema, &order, (streams, stop))?;
        effort.seconds += begun.elapsed().as_secs_f64();
        effort.tokens += table.iter().map(|row| writer.codec.length(row) as u64).sum::<u64>();
        effort.rows += table.rows() as u64;
        let Some(distribution) = self.distribution else { return Ok((table, None)) };
        let mut rng = streams.stream(Purpose::Pseudo, pseudo_stream(round, 1));
        let is_binned = self.plan.base.is_none();
        let pool = match is_binned {
            true => rows_of(distribution, &table),
            false => rows_of(distribution, &binned(distribution, &table)),
        };
        let (pool, kept) = distribution.correct(pool, rows, &mut rng);
        let distance = Some(distribution.distance(&pool));
        let mut drawn = valued(distribution, &pool, self.schema, &mut rng);
        if !is_binned {
            // A model of values has written values: all but the label are its own.
            let labels = distribution.labels.as_ref().map(|labels| labels.target);
            drawn = own_values(&table, &kept.rows, &drawn, labels);
        }
        Ok((drawn, distance))
    }

    /// How far rows are from the noisy tables: as was measured when they were drawn, unless rules have changed them since.
    fn distance_of(&self, rows: &Table, drawn: Option<f64>) -> Option<f64> {
        match self.distribution.filter(|_| !self.schema.rules().is_empty() && rows.rows() > 0) {
            Some(distribution) => Some(distribution.distance(&rows_of(distribution, &binned(distribution, rows)))),
            None => drawn,
        }
    }
}

/// The number of a stream for pseudo rows that are results: beyond those of stage 1, two a round.
fn pseudo_stream(round: u32, which: u64) -> u64 {
    u64::from(u32::MAX) + (u64::from(round) << 33) + which
}

/// The rows of `table` that were kept, with the column `label` of `drawn`.
fn own_values(table: &Table, kept: &[u32], drawn: &Table, label: Option<usize>) -> Table {
    let mut rows = Table::new(table.width(), Vec::with_capacity(kept.len() * table.width()));
    let mut cells = vec![0; table.width()];
    for (at, &row) in kept.iter().enumerate() {
        cells.copy_from_slice(table.row(row as usize));
        if let Some(label) = label {
            cells[label] = drawn.row(at)[label];
        }
        rows.push(&cells);
    }
    rows
}
