//! Gower's distance on the public ranges of a schema, and rows as points in it.

use crate::tabular::{Code, Domain, MISSING, Schema, Table};

/// Where cells lie. The distance of two rows is the mean over the columns of the distance of their cells: of categories
/// 0 where they are equal and 1 where they are not; of numbers their difference over the declared range; a missing cell
/// is at 0 from another one and at 1 from any value.
///
/// Nothing but the schema goes in, so that a distance means the same in every report.
pub struct Space {
    axes: Vec<Axis>,
}

#[derive(Clone, Copy)]
struct Axis {
    is_number: bool,
    /// What one step of the code is worth; the distance of two cells is cut at 1.
    weight: f32,
    /// Where a missing cell is: at 1 or more from every value.
    missing: f32,
}

/// Rows as points, column by column: each cell a number whose distances are those of the cells.
pub struct Points {
    rows: usize,
    /// `columns x rows`.
    places: Vec<f32>,
}

/// Points that are measured together.
pub(super) const BLOCK: usize = 256;

impl Space {
    /// The space of a schema.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        let axis = |domain: &Domain| match domain {
            Domain::Grid(grid) if grid.count() > 1 => {
                let (weight, missing) = (1.0 / (grid.count() - 1) as f32, -(grid.count() as f32));
                Axis { is_number: true, weight, missing }
            }
            _ => Axis { is_number: false, weight: 1.0, missing: -1.0 },
        };
        Self { axes: schema.columns().iter().map(|column| axis(&column.domain)).collect() }
    }

    /// The number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.axes.len()
    }

    /// Whether a column is of numbers.
    pub(super) fn is_number(&self, column: usize) -> bool {
        self.axes[column].is_number
    }

    /// `rows` of a table, in that order.
    #[must_use]
    pub fn points(&self, table: &Table, rows: &[usize]) -> Points {
        let mut places = Vec::with_capacity(rows.len() * self.width());
        for (column, axis) in self.axes.iter().enumerate() {
            places.extend(rows.iter().map(|&row| place(axis.missing, table.row(row)[column])));
        }
        Points { rows: rows.len(), places }
    }

    /// Puts into `sums` the distances, times the number of columns, of point `of` of `from` to as many points of `to`
    /// as `sums` is long, from number `first` on.
    #[inline(always)]
    pub(super) fn measure(&self, (from, of): (&Points, usize), (to, first): (&Points, usize), sums: &mut [f32]) {
        sums.fill(0.0);
        for column in 0..self.axes.len() {
            let near = self.in_column(column, from.at(column, of), to.column(column, first, sums.len()));
            sums.iter_mut().zip(near).for_each(|(sum, distance)| *sum += distance);
        }
    }

    /// Distances in one column of a place to others.
    #[inline(always)]
    pub(super) fn in_column<'p>(&self, column: usize, at: f32, places: &'p [f32]) -> impl Iterator<Item = f32> + 'p {
        let weight = self.axes[column].weight;
        places.iter().map(move |place| {
            let distance = (place - at).abs() * weight;
            // As a comparison it is one instruction; `min` minds what is not a number.
            if distance < 1.0 { distance } else { 1.0 }
        })
    }
}

impl Points {
    /// The number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Where point `row` lies in a column.
    #[inline(always)]
    pub(super) fn at(&self, column: usize, row: usize) -> f32 {
        self.places[column * self.rows + row]
    }

    /// Where `count` points from `first` on lie in a column.
    #[inline(always)]
    pub(super) fn column(&self, column: usize, first: usize, count: usize) -> &[f32] {
        &self.places[column * self.rows + first..][..count]
    }
}

/// Where a cell lies.
fn place(missing: f32, code: Code) -> f32 {
    if code == MISSING { missing } else { code as f32 }
}
