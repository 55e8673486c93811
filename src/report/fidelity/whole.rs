//! All of fidelity in one document.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::associations::{Associations, associations};
use super::columns::{ColumnFidelity, column};
use super::distance::{Distance, Distances, Figure, mean};
use super::duplicates::{Duplicates, duplicates};
use super::marginal::OneWay;
use super::pair::{Pairs, TwoWay, pairs};
use super::sides::{Binned, Sides};
use super::triple::{Triples, triples};
use crate::report::section::Section;
use crate::tabular::{Schema, Table};

/// Whether the synthetic table looks like the real one. Figures stand beside what two disjoint random halves of
/// the real training rows differ by: the split is the same for every table of as many rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fidelity {
    /// The means over columns.
    pub one_way: ColumnMeans,
    /// Every column, in the order of the schema.
    pub columns: Vec<ColumnFidelity>,
    /// Pairs of columns; absent for a table of one column.
    pub pairs: Section<Pairs>,
    /// The target with every two other columns; absent without a target or with fewer than three columns.
    pub triples: Section<Triples>,
    /// How strongly columns go together; absent for a table of one column.
    pub associations: Section<Associations>,
    /// Rows that occur more than once.
    pub duplicates: Duplicates,
}

/// Means over columns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnMeans {
    /// Of the histogram intersections, from 0 to 1; high is good.
    pub intersection: Figure,
    /// Of the total variation distances, from 0 to 1; low is good.
    pub total_variation: Figure,
    /// Of the Jensen-Shannon distances (base 2, square root), from 0 to 1; low is good.
    pub jensen_shannon: Figure,
}

/// All of it, with the two short documents that a report begins with.
pub(in crate::report) struct Measured {
    pub one_way: OneWay,
    pub two_way: Option<TwoWay>,
    pub fidelity: Fidelity,
}

/// Measures `synthetic` against `real`, both of `schema`. Deterministic; every number is finite.
pub(in crate::report) fn measure(schema: &Schema, real: &Table, synthetic: &Table) -> Measured {
    let sides = Sides::new(schema, real, synthetic);
    let (columns, distances): (Vec<ColumnFidelity>, Vec<Distances>) =
        (0..schema.width()).into_par_iter().map(|j| column(&sides, j)).unzip();
    let one_way = OneWay::of(columns.iter().map(|c| (c.column.clone(), c.intersection.value)));
    let (paired, triples) = {
        let binned: Vec<Binned> = (0..schema.width()).map(|j| sides.binned(j)).collect();
        (pairs(&sides, &binned, &distances), triples(&sides, &binned))
    };
    let (two_way, pairs) = paired.map(|measured| (measured.two_way, measured.pairs)).unzip();
    let alone = || "The table has only one column, so there are no pairs.".to_owned();
    let fidelity = Fidelity {
        one_way: ColumnMeans {
            intersection: mean(&distances, |d| d.intersection),
            total_variation: mean(&distances, Distance::total_variation),
            jensen_shannon: mean(&distances, |d| d.jensen_shannon),
        },
        columns,
        pairs: pairs.ok_or_else(alone).into(),
        triples: triples.into(),
        associations: associations(&sides).ok_or_else(alone).into(),
        duplicates: duplicates(&sides),
    };
    Measured { one_way, two_way, fidelity }
}
