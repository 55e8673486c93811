//! Rows that keep the rules of their schema: bounded rejection.
//!
//! What the rules determine is set (sums, what is implied), and rows that break a rule are drawn again: what is left is the
//! generator's own distribution, given the rules. Rules are public and generators are released, so this costs no privacy.

use std::convert::Infallible;

use rand::Rng;

use crate::marginals::{BinRows, Distribution};
use crate::tabular::{Code, Schema, Table};

use super::binned::decoded;
use super::ports::Halt;

/// Most rows that are drawn for one that is asked for.
pub const LIMIT: usize = 10;

/// How often the values inside the bins of a row are drawn.
const TRIES: usize = 8;

/// Rows that keep the rules.
pub struct Ruled {
    /// As many as were asked for, or fewer where [`LIMIT`] was met.
    pub rows: Table,
    /// How many were drawn for them.
    pub drawn: u64,
}

/// Rows of a generator that keep the rules of `schema`. `draw` is asked for so many rows in a round (from 0), and gives as
/// many; without rules it is asked once.
///
/// # Errors
/// Those of `draw`.
pub fn ruled(
    schema: &Schema,
    wanted: usize,
    mut draw: impl FnMut(u32, usize) -> Result<Table, Halt>,
) -> Result<Ruled, Halt> {
    if schema.rules().is_empty() {
        let rows = draw(0, wanted)?;
        return Ok(Ruled { drawn: rows.rows() as u64, rows });
    }
    let (mut rows, mut drawn) = (Table::new(schema.width(), Vec::new()), 0);
    let mut codes = vec![0; schema.width()];
    for round in 0.. {
        let (left, room) = (wanted - rows.rows(), LIMIT * wanted - drawn);
        if left.min(room) == 0 {
            break;
        }
        // As many as the rounds so far let one expect to be enough, and some more.
        let one_in = (drawn as f64 / rows.rows().max(1) as f64).clamp(1.0, LIMIT as f64);
        let count = ((left as f64 * one_in * 1.1).ceil() as usize).clamp(1, room.min(wanted.max(LIMIT)));
        let table = draw(round, count)?;
        drawn += count;
        for row in table.iter().take(count) {
            codes.copy_from_slice(row);
            if rows.rows() < wanted && schema.settle(&mut codes) {
                rows.push(&codes);
            }
        }
    }
    Ok(Ruled { rows, drawn: drawn as u64 })
}

/// Values for rows of bins, as a table of the schema, that keep its rules where some values inside the bins do.
pub fn valued<R: Rng + ?Sized>(distribution: &Distribution, rows: &BinRows, schema: &Schema, rng: &mut R) -> Table {
    let first = decoded(distribution, rows, rng);
    if schema.rules().is_empty() {
        return first;
    }
    let some = |left: &[usize]| {
        let of = |bins: &Vec<u16>| left.iter().map(|&i| bins[i]).collect();
        Ok(decoded(distribution, &BinRows { columns: rows.columns.iter().map(of).collect() }, rng))
    };
    let done: Result<_, Infallible> = redrawn(first, TRIES, |_, row| schema.settle(row), some);
    let Ok((table, _)) = done;
    table
}

/// A table in which rows that are not good were drawn again, up to so many `tries` in all, the first included; and how many
/// are not good even then. `is_good` may set cells; `draw` is given the numbers of the rows that it is to draw.
///
/// # Errors
/// Those of `draw`.
pub fn redrawn<E>(
    first: Table,
    tries: usize,
    is_good: impl Fn(usize, &mut [Code]) -> bool,
    mut draw: impl FnMut(&[usize]) -> Result<Table, E>,
) -> Result<(Table, usize), E> {
    let mut rows: Vec<Vec<Code>> = first.iter().map(<[Code]>::to_vec).collect();
    let mut left: Vec<usize> = (0..rows.len()).filter(|&i| !is_good(i, &mut rows[i])).collect();
    for _ in 1..tries {
        if left.is_empty() {
            break;
        }
        left.iter().zip(draw(&left)?.iter()).for_each(|(&i, row)| rows[i].copy_from_slice(row));
        left.retain(|&i| !is_good(i, &mut rows[i]));
    }
    Ok((Table::new(first.width(), rows.concat()), left.len()))
}
