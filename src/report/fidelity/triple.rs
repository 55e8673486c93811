//! Three-way histograms of the target and two other columns.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::distance::{Comparison, Distance, Distances, Figure, mean, smallest};
use super::joint::{joined, joint};
use super::pair::WORST_PAIRS;
use super::sides::{Binned, Sides};

/// Most triples that are measured. Of more, every `k`-th in the order of the schema is taken, so that the choice
/// depends on the number of columns alone.
pub const MAX_TRIPLES: usize = 10_000;

/// Histogram intersection of the target with every two other columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Triples {
    /// The target, which is in every triple.
    pub target: String,
    /// How many triples the schema has.
    pub triples: usize,
    /// How many of them were measured: all, or a fixed selection of very many.
    pub measured: usize,
    /// The mean histogram intersection over the measured triples, from 0 to 1; high is good.
    pub intersection: Figure,
    /// The smallest of them.
    pub min: Figure,
    /// The mean total variation distance over the measured triples, from 0 to 1; low is good.
    pub total_variation: Figure,
    /// The mean Jensen-Shannon distance (base 2, square root) over the measured triples, from 0 to 1; low is good.
    pub jensen_shannon: Figure,
    /// The triples that agree least, worst first.
    pub worst: Vec<TripleIntersection>,
}

/// The intersection of one triple.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TripleIntersection {
    /// The first column beside the target.
    pub a: String,
    /// The second column beside the target.
    pub b: String,
    /// From 0 (nothing in common) to 1 (equal joint histograms).
    pub intersection: Figure,
}

/// Measures triples of `binned` columns, one a column of the schema.
///
/// Keeps, for each thread, the target joined with one column and one joint histogram.
pub(super) fn triples(sides: &Sides<'_>, binned: &[Binned]) -> Result<Triples, String> {
    let columns = sides.schema.columns();
    let target = sides.schema.target().ok_or("The schema declares no target column.")?;
    let chosen = chosen(columns.len(), target);
    if chosen.is_empty() {
        return Err("There are fewer than two columns besides the target.".into());
    }
    let of_first = |group: &[(usize, usize)]| {
        let first = joined(&binned[target], &binned[group[0].0]);
        let mut scratch = Vec::new();
        let mut measure = |&(_, j): &(usize, usize)| {
            let mut comparison = Comparison::new(first.rows());
            joint(&first, &binned[j], &mut scratch, |_, _, counts| comparison.add(counts));
            comparison.distances()
        };
        group.iter().map(&mut measure).collect::<Vec<Distances>>()
    };
    let groups: Vec<&[(usize, usize)]> = chosen.chunk_by(|x, y| x.0 == y.0).collect();
    let all: Vec<Distances> = groups.par_iter().flat_map_iter(|group| of_first(group)).collect();

    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&x, &y| all[x].value.intersection.total_cmp(&all[y].value.intersection));
    let worst = order.iter().take(WORST_PAIRS).map(|&at| TripleIntersection {
        a: columns[chosen[at].0].name.clone(),
        b: columns[chosen[at].1].name.clone(),
        intersection: all[at].figure(|d| d.intersection),
    });
    let others = columns.len() - 1;
    Ok(Triples {
        target: columns[target].name.clone(),
        triples: others * (others - 1) / 2,
        measured: all.len(),
        intersection: mean(&all, |d| d.intersection),
        min: smallest(&all, |d| d.intersection),
        total_variation: mean(&all, Distance::total_variation),
        jensen_shannon: mean(&all, |d| d.jensen_shannon),
        worst: worst.collect(),
    })
}

/// The pairs of columns besides the target that are measured with it.
fn chosen(columns: usize, target: usize) -> Vec<(usize, usize)> {
    let others: Vec<usize> = (0..columns).filter(|&j| j != target).collect();
    let every = (others.len() * others.len().saturating_sub(1) / 2).div_ceil(MAX_TRIPLES).max(1);
    let pairs = others.iter().enumerate().flat_map(|(at, &i)| others[at + 1..].iter().map(move |&j| (i, j)));
    pairs.step_by(every).collect()
}
