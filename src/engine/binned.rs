//! Rows of bins as a table of its own, which a language model can be trained on: one value a bin.

use crate::marginals::{BinRows, Distribution, Recipe, most_bins};
use crate::tabular::{Code, Domain, Grid, GridKind, MISSING, Schema, Table};

use super::measuring::axis;

/// The schema of rows of bins: as many values a column as it may have bins. A function of public facts, so that
/// the model's size is one too; a measurement may make fewer bins than that, and the rest stays unused.
#[must_use]
pub fn binned_schema(schema: &Schema, recipe: &Recipe) -> Schema {
    schema.with_domains(|column| {
        let axis = axis(schema, column);
        let bins = most_bins(axis, recipe.bins);
        let grid = Grid::new(GridKind::Integer, 0, bins as i64 - 1, 1, 0).filter(|_| axis.ordered);
        grid.map_or_else(|| Domain::Categories((0..bins).map(|bin| bin.to_string()).collect()), Domain::Grid)
    })
}

/// The bin of a value.
#[must_use]
pub fn bin(distribution: &Distribution, column: usize, code: Code) -> Code {
    if code == MISSING { MISSING } else { u32::from(distribution.bins[column].of_value(code)) }
}

/// The probability of a value once its bin is known.
pub(super) fn share(distribution: &Distribution, column: usize, code: Code) -> f64 {
    let bins = &distribution.bins[column];
    bins.share(if code == MISSING { bins.axis().values } else { code })
}

/// A table of values as one of bins.
#[must_use]
pub fn binned(distribution: &Distribution, table: &Table) -> Table {
    let mut codes = Vec::with_capacity(table.rows() * table.width());
    for row in table.iter() {
        codes.extend(row.iter().enumerate().map(|(column, &code)| bin(distribution, column, code)));
    }
    Table::new(table.width(), codes)
}

/// Rows of bins as a table.
#[must_use]
pub fn table_of(distribution: &Distribution, rows: &BinRows) -> Table {
    let code = |column: usize, bin: u16| {
        let bins = &distribution.bins[column];
        let missing = bins.axis().missing && usize::from(bin) + 1 == bins.count();
        if missing { MISSING } else { u32::from(bin) }
    };
    let mut codes = Vec::with_capacity(rows.len() * rows.columns.len());
    for row in 0..rows.len() {
        codes.extend(rows.columns.iter().enumerate().map(|(column, bins)| code(column, bins[row])));
    }
    Table::new(rows.columns.len(), codes)
}

/// A table of bins as rows; a bin that the measurement did not make is read as the last one of values.
#[must_use]
pub fn rows_of(distribution: &Distribution, table: &Table) -> BinRows {
    let column = |column: usize| {
        let bins = &distribution.bins[column];
        let last = bins.count() - 1;
        let values = bins.count() - usize::from(bins.axis().missing);
        let of = |code: Code| if code == MISSING { last } else { (code as usize).min(values - 1) };
        table.column(column).map(|code| of(code) as u16).collect()
    };
    BinRows { columns: (0..table.width()).map(column).collect() }
}

/// Values for rows of bins, as a table of the schema.
pub fn decoded<R: rand::Rng + ?Sized>(distribution: &Distribution, rows: &BinRows, rng: &mut R) -> Table {
    let columns = distribution.values(rows, rng);
    let mut codes = Vec::with_capacity(rows.len() * columns.len());
    for row in 0..rows.len() {
        codes.extend(columns.iter().zip(&distribution.bins).map(|(column, bins)| {
            let value = column[row];
            if value >= bins.axis().values { MISSING } else { value }
        }));
    }
    Table::new(columns.len(), codes)
}
