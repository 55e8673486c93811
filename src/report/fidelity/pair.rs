//! Two-way histogram intersection: does each pair of columns go together as it should?

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bins::Bins;
use crate::tabular::{Schema, Table};

/// Most pairs that are measured: all pairs of 200 columns. Of more, every `k`-th in the order of the
/// schema is taken, so that the choice depends on the number of columns alone.
pub const MAX_PAIRS: usize = 20_000;

/// How many of the worst pairs are named.
pub const WORST_PAIRS: usize = 5;

/// Joint histograms up to this many cells are counted in an array (2 MiB a thread); larger ones, of
/// which most cells are empty, by sorting.
const DENSE_CELLS: usize = 1 << 18;

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

/// The intersection of pairs of columns of `synthetic` with the same pairs of `real`, on public bins;
/// `None` for a table of one column.
///
/// Keeps one bin a cell of both tables and, for each thread, one joint histogram.
#[must_use]
pub fn two_way(schema: &Schema, real: &Table, synthetic: &Table) -> Option<TwoWay> {
    let columns = schema.columns();
    let all = columns.len() * (columns.len() - 1) / 2;
    let pairs = chosen_pairs(columns.len());
    if pairs.is_empty() {
        return None;
    }
    let binned: Vec<Binned> = (0..columns.len()).map(|j| Binned::new(schema, real, synthetic, j)).collect();
    let shared: Vec<f64> =
        pairs.par_iter().map_init(Vec::new, |joint, &(i, j)| measure(&binned[i], &binned[j], joint)).collect();

    let mean = shared.iter().sum::<f64>() / shared.len() as f64;
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|&x, &y| shared[x].total_cmp(&shared[y]));
    let worst: Vec<_> = order
        .iter()
        .take(WORST_PAIRS)
        .map(|&at| {
            let (i, j) = pairs[at];
            PairIntersection { a: columns[i].name.clone(), b: columns[j].name.clone(), intersection: shared[at] }
        })
        .collect();
    Some(TwoWay { mean, min: shared[order[0]], pairs: all, measured: pairs.len(), worst })
}

/// The intersection of the joint histograms of columns `i` and `j`.
#[must_use]
pub fn pair_intersection(schema: &Schema, real: &Table, synthetic: &Table, i: usize, j: usize) -> f64 {
    let binned = |j| Binned::new(schema, real, synthetic, j);
    measure(&binned(i), &binned(j), &mut Vec::new())
}

fn chosen_pairs(columns: usize) -> Vec<(usize, usize)> {
    let every = (columns * (columns - 1) / 2).div_ceil(MAX_PAIRS).max(1);
    let all = (0..columns).flat_map(|i| (i + 1..columns).map(move |j| (i, j)));
    all.step_by(every).collect()
}

/// One column of both tables, binned.
struct Binned {
    count: usize,
    real: Vec<u32>,
    synthetic: Vec<u32>,
}

impl Binned {
    fn new(schema: &Schema, real: &Table, synthetic: &Table, j: usize) -> Self {
        let bins = Bins::of(&schema.columns()[j]);
        Self { count: bins.count(), real: bins.column(real, j), synthetic: bins.column(synthetic, j) }
    }
}

/// Counts of one joint cell: in the real table, in the synthetic one.
type Counts = [u32; 2];

fn measure(a: &Binned, b: &Binned, joint: &mut Vec<Counts>) -> f64 {
    let (real, synthetic) = (a.real.len() as f64, a.synthetic.len() as f64);
    if a.real.is_empty() || a.synthetic.is_empty() {
        return 0.0;
    }
    let smaller = |[r, s]: Counts| (f64::from(r) / real).min(f64::from(s) / synthetic);
    if a.count.saturating_mul(b.count) > DENSE_CELLS {
        return sorted_counts(a, b).into_iter().map(smaller).sum();
    }
    joint.clear();
    joint.resize(a.count * b.count, [0, 0]);
    for (&x, &y) in a.real.iter().zip(&b.real) {
        joint[x as usize * b.count + y as usize][0] += 1;
    }
    for (&x, &y) in a.synthetic.iter().zip(&b.synthetic) {
        joint[x as usize * b.count + y as usize][1] += 1;
    }
    joint.iter().copied().map(smaller).sum()
}

/// The counts of the cells that occur in both tables, in the order of the cells.
fn sorted_counts(a: &Binned, b: &Binned) -> Vec<Counts> {
    let runs = |x: &[u32], y: &[u32]| {
        let mut keys: Vec<u64> = x.iter().zip(y).map(|(&x, &y)| u64::from(x) << 32 | u64::from(y)).collect();
        keys.sort_unstable();
        keys.chunk_by(|p, q| p == q).map(|run| (run[0], run.len() as u32)).collect::<Vec<_>>()
    };
    let (real, synthetic) = (runs(&a.real, &b.real), runs(&a.synthetic, &b.synthetic));
    let mut both = Vec::new();
    let mut at = 0;
    for &(key, count) in &real {
        while at < synthetic.len() && synthetic[at].0 < key {
            at += 1;
        }
        if at < synthetic.len() && synthetic[at].0 == key {
            both.push([count, synthetic[at].1]);
        }
    }
    both
}
