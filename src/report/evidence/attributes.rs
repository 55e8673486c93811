//! Attacks on attributes: who knows all of a row but one cell guesses that cell.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::figures::Difference;
use super::intervals::{LEVEL, difference_of_shares};
use super::nearest::blocks;
use super::space::{BLOCK, Points, Space};
use crate::model::vectorised;
use crate::tabular::Schema;

/// Columns that are guessed at most: of more, the target and evenly spaced others.
pub const MAX_ATTRIBUTES: usize = 12;

/// Neighbours whose values make the guess.
const NEIGHBOURS: usize = 5;

/// How far off, over the declared range, the guess of a number may be.
const NEAR: f32 = 0.05 + 1e-6;

const SAYS: &str = "An attacker who knows a person's row but for one cell, and has the synthetic table, guesses that \
                    cell from the synthetic rows that are nearest in all other cells. That he is often right is no \
                    leak by itself: a synthetic table that keeps how columns hang together tells as much about people \
                    who were never in the training table, and is meant to. So he is tried on training rows and on \
                    held-out rows: only the difference is due to somebody having been in the table. Differences near 0 \
                    say that this attacker gains nothing from that; a cleverer one might. What a guess reveals about \
                    groups of people is not bounded by differential privacy at all.";

/// What an attacker who knows a row but for one cell can guess of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attributes {
    /// What this can and cannot show.
    pub says: String,
    /// Training rows that were tried, and as many held-out rows: at most 1,000 (fewer in tables of more than 16
    /// columns).
    pub rows: usize,
    /// Synthetic rows that the attacker has, at most 20,000 (fewer in tables of more than 16 columns).
    pub synthetic_rows: usize,
    /// The columns that were guessed, at most 12, in the order of the schema. Their intervals hold all together with 95
    /// % certainty.
    pub columns: Vec<Attribute>,
}

/// How often one column was guessed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Attribute {
    /// The column.
    pub column: String,
    /// The part of training rows of which it was guessed right: exactly, or to a twentieth of the declared range for
    /// numbers; a missing cell is a value of its own.
    pub of_training: f64,
    /// The same part of held-out rows: what the table tells about anybody.
    pub of_held_out: f64,
    /// The first part less the second: what was learnt from somebody's being in the table. 0 or less is good; an
    /// interval above 0 is a leak.
    pub beyond_held_out: Difference,
}

/// Guesses the columns of as many training as held-out rows, at least one, from synthetic rows, at least one.
///
/// # Errors
/// In words, where there is nothing to guess or nothing to guess from.
pub fn attributes(
    space: &Space,
    schema: &Schema,
    (training, held_out): (&Points, &Points),
    synthetic: &Points,
) -> Result<Attributes, String> {
    let chosen = chosen(schema);
    if schema.width() < 2 || chosen.is_empty() {
        return Err("The attack needs a column to guess and another one to guess it from.".into());
    }
    let right = |rows: &Points| {
        let attack = Attack { space, chosen: &chosen, synthetic };
        let each = (0..rows.len()).into_par_iter().map_init(Buffers::default, |b, row| attack.right(rows, row, b));
        each.collect::<Vec<u64>>()
    };
    let (of_training, of_held_out) = (right(training), right(held_out));
    let level = 1.0 - (1.0 - LEVEL) / chosen.len() as f64;
    let columns = chosen.iter().enumerate().map(|(i, &column)| {
        let count = |right: &[u64]| (right.iter().filter(|&&right| right >> i & 1 == 1).count(), right.len());
        let (train, held) = (count(&of_training), count(&of_held_out));
        let share = |(count, of): (usize, usize)| count as f64 / of.max(1) as f64;
        Attribute {
            column: schema.columns()[column].name.clone(),
            of_training: share(train),
            of_held_out: share(held),
            beyond_held_out: difference_of_shares(train, held, level),
        }
    });
    let columns = columns.collect();
    Ok(Attributes { says: SAYS.into(), rows: training.len(), synthetic_rows: synthetic.len(), columns })
}

/// The columns that are guessed, ascending: those that are not constant, the target among them.
fn chosen(schema: &Schema) -> Vec<usize> {
    let varies = |&column: &usize| {
        let column = &schema.columns()[column];
        column.domain.len() + usize::from(column.nullable) > 1
    };
    let target = schema.target().filter(varies);
    let others: Vec<usize> = (0..schema.width()).filter(|&column| Some(column) != target).filter(varies).collect();
    let most = (MAX_ATTRIBUTES - usize::from(target.is_some())).min(others.len());
    let mut chosen: Vec<usize> = (0..most).map(|k| others[k * others.len() / most]).chain(target).collect();
    chosen.sort_unstable();
    chosen
}

struct Attack<'a> {
    space: &'a Space,
    chosen: &'a [usize],
    synthetic: &'a Points,
}

/// What is near a row when one column does not count.
#[derive(Default)]
struct Buffers {
    sums: Vec<f32>,
    rest: Vec<f32>,
    /// For each chosen column distance and place of the nearest synthetic rows' cells, the nearest first.
    near: Vec<[(f32, f32); NEIGHBOURS]>,
}

impl Attack<'_> {
    /// Which of the chosen columns of a row are guessed right: a bit for each.
    fn right(&self, rows: &Points, row: usize, buffers: &mut Buffers) -> u64 {
        let Buffers { sums, rest, near } = buffers;
        sums.resize(BLOCK, 0.0);
        rest.resize(BLOCK, 0.0);
        near.clear();
        near.resize(self.chosen.len(), [(f32::INFINITY, 0.0); NEIGHBOURS]);
        vectorised!(for range in blocks(self.synthetic.len()) {
            let (sums, rest) = (&mut sums[..range.len()], &mut rest[..range.len()]);
            self.space.measure((rows, row), (self.synthetic, range.start), sums);
            for (near, &column) in near.iter_mut().zip(self.chosen) {
                let cells = self.synthetic.column(column, range.start, range.len());
                let own = self.space.in_column(column, rows.at(column, row), cells);
                rest.iter_mut().zip(&*sums).zip(own).for_each(|((rest, sum), own)| *rest = sum - own);
                rest.iter().zip(cells).for_each(|(&distance, &cell)| keep(near, distance, cell));
            }
        });
        let known = NEIGHBOURS.min(self.synthetic.len());
        let is_right = |(near, &column): (&[(f32, f32); NEIGHBOURS], &usize)| {
            let guess = guess(&near[..known], self.space.is_number(column));
            self.space.in_column(column, rows.at(column, row), &[guess]).all(|distance| distance <= NEAR)
        };
        near.iter().zip(self.chosen).map(is_right).enumerate().map(|(i, right)| u64::from(right) << i).sum()
    }
}

/// Puts a cell among those of the nearest rows, if it is one of them.
#[inline(always)]
fn keep(near: &mut [(f32, f32); NEIGHBOURS], distance: f32, cell: f32) {
    if distance >= near[NEIGHBOURS - 1].0 {
        return;
    }
    let mut at = NEIGHBOURS - 1;
    while at > 0 && near[at - 1].0 > distance {
        near[at] = near[at - 1];
        at -= 1;
    }
    near[at] = (distance, cell);
}

/// The commonest of the cells, of equally common ones the nearest; of numbers that are not mostly missing, the middle
/// one.
fn guess(near: &[(f32, f32)], is_number: bool) -> f32 {
    let votes = |cell: f32| near.iter().filter(|other| other.1 == cell).count();
    let mut commonest = near[0].1;
    for &(_, cell) in near {
        if votes(cell) > votes(commonest) {
            commonest = cell;
        }
    }
    let mut present: Vec<f32> = near.iter().map(|&(_, cell)| cell).filter(|&cell| cell >= 0.0).collect();
    if !is_number || 2 * present.len() <= near.len() {
        return commonest;
    }
    present.sort_unstable_by(f32::total_cmp);
    present[(present.len() - 1) / 2]
}
