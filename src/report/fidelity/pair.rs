//! Two-way histograms: does each pair of columns go together as it should?

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distance::{Comparison, Distance, Distances, Figure, mean, smallest};
use super::joint::{Counts, joint};
use super::matrix::{Matrix, square};
use super::sides::{Binned, Sides};
use crate::report::section::Section;
use crate::tabular::{Schema, Table};

/// Most pairs that are measured: all pairs of 200 columns. Of more, every `k`-th in the order of the
/// schema is taken, so that the choice depends on the number of columns alone.
pub const MAX_PAIRS: usize = 20_000;

/// How many of the worst pairs are named.
pub const WORST_PAIRS: usize = 5;

/// Histogram intersection over pairs of columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TwoWay {
    /// The mean over the measured pairs.
    pub mean: f64,
    /// The smallest of the measured pairs.
    pub min: f64,
    /// How many pairs the schema has.
    pub pairs: usize,
    /// How many of them were measured: all, or a fixed selection of very many.
    pub measured: usize,
    /// The pairs that agree least, worst first.
    pub worst: Vec<PairIntersection>,
}

/// The intersection of one pair of columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PairIntersection {
    /// The name of the first column.
    pub a: String,
    /// The name of the second column.
    pub b: String,
    /// Between 0 (nothing in common) and 1 (equal joint histograms).
    pub intersection: f64,
}

/// How near pairs of columns of the synthetic table are to those of the real one, beside chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pairs {
    /// The mean histogram intersection over the measured pairs, from 0 to 1; high is good.
    pub intersection: Figure,
    /// The smallest of them.
    pub min: Figure,
    /// The mean total variation distance over the measured pairs, from 0 to 1; low is good.
    pub total_variation: Figure,
    /// The mean Jensen-Shannon distance (base 2, square root) over the measured pairs, from 0 to 1; low is good.
    pub jensen_shannon: Figure,
    /// The intersection of every pair, and on the diagonal that of every column.
    pub matrix: Section<Matrix>,
}

/// What is found of pairs.
pub(super) struct Measured {
    pub two_way: TwoWay,
    pub pairs: Pairs,
}

/// The intersection of pairs of columns of `synthetic` with the same pairs of `real`, on public bins;
/// `None` for a table of one column.
///
/// Keeps one bin a cell of both tables and, for each thread, one joint histogram.
#[must_use]
pub fn two_way(schema: &Schema, real: &Table, synthetic: &Table) -> Option<TwoWay> {
    let sides = Sides::new(schema, real, synthetic);
    let binned: Vec<Binned> = (0..schema.width()).map(|j| sides.binned(j)).collect();
    pairs(&sides, &binned, &[]).map(|measured| measured.two_way)
}

/// Measures pairs of `binned` columns, one a column of the schema, whose own distances are `columns`.
pub(super) fn pairs(sides: &Sides<'_>, binned: &[Binned], columns: &[Distances]) -> Option<Measured> {
    let chosen = chosen_pairs(binned.len());
    if chosen.is_empty() {
        return None;
    }
    let measured = |scratch: &mut Vec<Counts>, &(i, j): &(usize, usize)| measure(&binned[i], &binned[j], scratch);
    let all: Vec<Distances> = chosen.par_iter().map_init(Vec::new, measured).collect();

    let shared = |at: usize| all[at].value.intersection;
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    order.sort_by(|&x, &y| shared(x).total_cmp(&shared(y)));
    let name = |j: usize| sides.schema.columns()[j].name.clone();
    let pair =
        |&at: &usize| PairIntersection { a: name(chosen[at].0), b: name(chosen[at].1), intersection: shared(at) };
    let (intersection, min) = (mean(&all, |d| d.intersection), smallest(&all, |d| d.intersection));
    let two_way = TwoWay {
        mean: intersection.value,
        min: min.value,
        pairs: binned.len() * (binned.len() - 1) / 2,
        measured: all.len(),
        worst: order.iter().take(WORST_PAIRS).map(pair).collect(),
    };
    let diagonal = |j: usize| columns.get(j).map_or(1.0, |d| d.value.intersection);
    let pairs = Pairs {
        intersection,
        min,
        total_variation: mean(&all, Distance::total_variation),
        jensen_shannon: mean(&all, |d| d.jensen_shannon),
        matrix: square(sides.schema, diagonal, &all.iter().map(|d| d.value.intersection).collect::<Vec<_>>()).into(),
    };
    Some(Measured { two_way, pairs })
}

/// The intersection of the joint histograms of columns `i` and `j`.
#[must_use]
pub fn pair_intersection(schema: &Schema, real: &Table, synthetic: &Table, i: usize, j: usize) -> f64 {
    let sides = Sides::new(schema, real, synthetic);
    measure(&sides.binned(i), &sides.binned(j), &mut Vec::new()).value.intersection
}

/// The pairs of columns that are measured.
pub(in crate::report) fn chosen_pairs(columns: usize) -> Vec<(usize, usize)> {
    let every = (columns * (columns - 1) / 2).div_ceil(MAX_PAIRS).max(1);
    let all = (0..columns).flat_map(|i| (i + 1..columns).map(move |j| (i, j)));
    all.step_by(every).collect()
}

fn measure(a: &Binned, b: &Binned, scratch: &mut Vec<Counts>) -> Distances {
    let mut comparison = Comparison::new(a.rows());
    joint(a, b, scratch, |_, _, counts| comparison.add(counts));
    comparison.distances()
}
