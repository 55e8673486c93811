//! A histogram to be drawn: labelled shares.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bins::Bins;
use super::joint::Counts;
use super::sides::PARTS;
use crate::tabular::{Column, Domain};

/// Bars of a histogram at most.
pub const MAX_BARS: usize = 30;

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bar {
    /// What is counted: a category, the first and last value of a bin, `12 others`, or `missing`.
    pub label: String,
    /// Whether these are values, several rare categories together, or missing cells.
    pub kind: BarKind,
    /// The share of the real training rows, from 0 to 1.
    pub real: f64,
    /// The share of the synthetic rows, from 0 to 1.
    pub synthetic: f64,
}

/// What a bar counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BarKind {
    /// A category, or the values of one bin.
    Value,
    /// The categories that have no bar of their own, which are the rarest in the real table.
    Others,
    /// Missing cells.
    Missing,
}

/// The bars of a column, in the order of the values: all bins that hold a value of the domain; of more categories
/// than there is room for those with the largest share of real rows, and the others together.
pub(super) fn bars(column: &Column, counts: &[(u32, Counts)], rows: [usize; PARTS]) -> Vec<Bar> {
    let bins = Bins::of(column);
    let missing = bins.count() as u32 - 1;
    let of = |bin: u32| counts.binary_search_by_key(&bin, |(bin, _)| *bin).map_or([0; PARTS], |at| counts[at].1);
    let bar = |label: String, kind: BarKind, [first, second, synthetic]: [u64; PARTS]| Bar {
        label,
        kind,
        real: (first + second) as f64 / (rows[0] + rows[1]).max(1) as f64,
        synthetic: synthetic as f64 / rows[2].max(1) as f64,
    };

    let mut shown: Vec<u32> = (0..missing).collect();
    let room = MAX_BARS - 1;
    if shown.len() > room {
        shown.sort_by_key(|&bin| (std::cmp::Reverse(of(bin)[0] + of(bin)[1]), bin));
        shown.truncate(room - 1);
        shown.sort_unstable();
    }
    let named = |&bin: &u32| Some(bar(label(column, &bins, bin)?, BarKind::Value, of(bin).map(u64::from)));
    let mut bars: Vec<Bar> = shown.iter().filter_map(named).collect();
    let others = missing as usize - shown.len();
    if others > 0 {
        let rest = counts.iter().filter(|(bin, _)| *bin != missing && shown.binary_search(bin).is_err());
        let sum =
            rest.fold([0u64; PARTS], |sum, (_, counts)| [0, 1, 2].map(|part| sum[part] + u64::from(counts[part])));
        bars.push(bar(format!("{others} others"), BarKind::Others, sum));
    }
    if column.nullable || of(missing) != [0; PARTS] {
        bars.push(bar("missing".into(), BarKind::Missing, of(missing).map(u64::from)));
    }
    bars
}

/// The name of a bin; none for one that no value of the domain falls into.
fn label(column: &Column, bins: &Bins<'_>, bin: u32) -> Option<String> {
    let Domain::Grid(grid) = &column.domain else { return Some(column.text(bin)) };
    // Bins go up with codes.
    let first_at_least = |bin: u32| {
        let (mut low, mut high) = (0, grid.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if bins.bin(middle) < bin { low = middle + 1 } else { high = middle }
        }
        low
    };
    let (first, end) = (first_at_least(bin), first_at_least(bin + 1));
    match end.checked_sub(first)? {
        0 => None,
        1 => Some(column.text(first)),
        _ => Some(format!("{} to {}", column.text(first), column.text(end - 1))),
    }
}
