//! Column by column: how far its histograms are apart, and what they look like.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bars::{Bar, bars};
use super::distance::{Comparison, Distance, Distances, Figure};
use super::joint::{Counts, single};
use super::sides::Sides;
use crate::tabular::{Code, Column, Domain, MISSING};

/// How near one column of the synthetic table is to the same column of the real one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnFidelity {
    /// The column's name.
    pub column: String,
    /// Histogram intersection on public bins: the sum over bins of the smaller share. From 0 (nothing in common)
    /// to 1 (equal histograms); high is good.
    pub intersection: Figure,
    /// Total variation distance, half the sum of the absolute differences of shares: 1 less the intersection. From
    /// 0 to 1; low is good.
    pub total_variation: Figure,
    /// Jensen-Shannon distance: the square root of the Jensen-Shannon divergence with logarithms to base 2. From 0
    /// (equal histograms) to 1 (nothing in common); low is good.
    pub jensen_shannon: Figure,
    /// The share of missing cells.
    pub missing: MissingRates,
    /// The smallest and largest values that occur; absent for a column of categories.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub range: Option<Ranges>,
    /// The histogram itself, in the order of the values; the shares of each table add up to 1.
    pub histogram: Vec<Bar>,
}

/// The share of cells that are missing, from 0 to 1; near is good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MissingRates {
    /// Of the real training rows; 0 without any.
    pub real: f64,
    /// Of the synthetic rows; 0 without any.
    pub synthetic: f64,
    /// The absolute difference of the rates in two halves of the real training rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub halves_difference: Option<f64>,
}

/// The ends of the values that occur in a column of numbers or moments. Extremes of a private table are facts
/// about single rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ranges {
    /// Of the real training rows; absent where no cell has a value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub real: Option<Ends>,
    /// Of the synthetic rows; absent where no cell has a value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub synthetic: Option<Ends>,
    /// Of the first and of the second half of the real training rows; empty where one has no value.
    pub halves: Vec<Ends>,
}

/// Two values as the table writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Ends {
    /// The smallest.
    pub smallest: String,
    /// The largest.
    pub largest: String,
}

/// What is found of one column: the document, and the distances for means over columns.
pub(super) fn column(sides: &Sides<'_>, j: usize) -> (ColumnFidelity, Distances) {
    let column = &sides.schema.columns()[j];
    let binned = sides.binned(j);
    let mut comparison = Comparison::new(binned.rows());
    let mut counts: Vec<(u32, Counts)> = Vec::new();
    single(&binned, |bin, found| {
        comparison.add(found);
        counts.push((bin, found));
    });
    let distances = comparison.distances();
    let document = ColumnFidelity {
        column: column.name.clone(),
        intersection: distances.figure(|d| d.intersection),
        total_variation: distances.figure(Distance::total_variation),
        jensen_shannon: distances.figure(|d| d.jensen_shannon),
        missing: missing_rates(&counts, binned.count - 1, binned.rows()),
        range: ranges(sides, column, j),
        histogram: bars(column, &counts, binned.rows()),
    };
    (document, distances)
}

fn missing_rates(counts: &[(u32, Counts)], missing: usize, rows: [usize; 3]) -> MissingRates {
    let [first, second, synthetic] =
        counts.iter().find(|(bin, _)| *bin as usize == missing).map_or([0; 3], |(_, counts)| *counts);
    let rate = |count: u32, rows: usize| f64::from(count) / rows.max(1) as f64;
    let difference = || (rate(first, rows[0]) - rate(second, rows[1])).abs();
    MissingRates {
        real: rate(first + second, rows[0] + rows[1]),
        synthetic: rate(synthetic, rows[2]),
        halves_difference: (rows[0] > 0).then(difference),
    }
}

fn ranges(sides: &Sides<'_>, column: &Column, j: usize) -> Option<Ranges> {
    let Domain::Grid(_) = &column.domain else { return None };
    let [real, synthetic] = sides.codes(j);
    let halves = real.split_at(sides.half());
    let halves = ends(column, halves.0).zip(ends(column, halves.1));
    Some(Ranges {
        real: ends(column, &real),
        synthetic: ends(column, &synthetic),
        halves: halves.map_or_else(Vec::new, |(first, second)| vec![first, second]),
    })
}

/// Codes of a grid are in the order of its numbers.
fn ends(column: &Column, codes: &[Code]) -> Option<Ends> {
    let values = || codes.iter().copied().filter(|&code| code != MISSING);
    let (smallest, largest) = values().min().zip(values().max())?;
    Some(Ends { smallest: column.text(smallest), largest: column.text(largest) })
}
