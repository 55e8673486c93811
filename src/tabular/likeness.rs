//! Rows of one table said in the values of another, from the two public schemas alone.
//!
//! Columns are matched by equal names (case and blanks around them aside) where both are grids or both are
//! categories, then those that are left, kind by kind, in declared order; a column of the target that is left
//! over is drawn uniformly. A grid of the same name keeps its numbers, as near as the target has them; any
//! other keeps its place in the range. A category keeps its text where the target knows it under the same
//! name, else its number modulo the target's. A missing cell stays missing where it may, and is drawn
//! uniformly where not.

use rand::Rng;

use super::column::{Code, Column, Domain, MISSING};
use super::grid::{Grid, GridKind};
use super::schema::Schema;
use super::table::Table;

/// How rows of one schema are said in another's values.
#[derive(Clone, Debug, PartialEq)]
pub struct Likeness {
    columns: Vec<Target>,
}

/// One column of the target.
#[derive(Clone, Debug, PartialEq)]
struct Target {
    /// Values of the domain.
    count: u32,
    nullable: bool,
    /// The column that it is taken from, and how; none where it is drawn.
    from: Option<(usize, Way)>,
}

/// From a code of one column to a code of another.
#[derive(Clone, Debug, PartialEq)]
enum Way {
    /// The nearest number.
    Nearest(Grid, Grid),
    /// The same place in the range: values of the one, values of the other.
    Place(u32, u32),
    /// Looked up by category.
    Names(Vec<Code>),
}

impl Likeness {
    /// How rows of `from` are said in the values of `to`.
    #[must_use]
    pub fn new(from: &Schema, to: &Schema) -> Self {
        let mut matched: Vec<Option<usize>> = vec![None; to.width()];
        let mut free = vec![true; from.width()];
        for same_name in [true, false] {
            for (target, matched) in to.columns().iter().zip(&mut matched).filter(|(_, matched)| matched.is_none()) {
                let fits = |i: usize| {
                    let column = &from.columns()[i];
                    free[i] && same_kind(column, target) && (!same_name || is_named(column, target))
                };
                *matched = (0..from.width()).find(|&i| fits(i));
                if let Some(i) = *matched {
                    free[i] = false;
                }
            }
        }
        let columns = to.columns().iter().zip(matched).map(|(target, matched)| Target {
            count: target.domain.len() as u32,
            nullable: target.nullable,
            from: matched.map(|i| (i, way(&from.columns()[i], target))),
        });
        Self { columns: columns.collect() }
    }

    /// Whether most columns of `to` have one of the same name and kind in `from`.
    #[must_use]
    pub fn is_close(from: &Schema, to: &Schema) -> bool {
        let known = |target: &&Column| {
            from.columns().iter().any(|column| same_kind(column, target) && is_named(column, target))
        };
        2 * to.columns().iter().filter(known).count() > to.width()
    }

    /// The row of the target, one code a column, for a row of the other schema.
    pub fn row<R: Rng + ?Sized>(&self, from: &[Code], rng: &mut R, to: &mut [Code]) {
        for (code, target) in to.iter_mut().zip(&self.columns) {
            let taken = target.from.as_ref().map(|(i, way)| (from[*i], way));
            *code = match taken {
                Some((MISSING, _)) if target.nullable => MISSING,
                Some((MISSING, _)) | None => rng.random_range(0..target.count),
                Some((code, way)) => way.of(code),
            };
        }
    }

    /// All rows of a table, each said anew.
    pub fn table<R: Rng + ?Sized>(&self, from: &Table, rng: &mut R) -> Table {
        let mut row = vec![0; self.columns.len()];
        let mut to = Table::new(row.len(), Vec::with_capacity(from.rows() * row.len()));
        for other in from.iter() {
            self.row(other, rng, &mut row);
            to.push(&row);
        }
        to
    }
}

impl Way {
    /// The target's code; a code that the other column does not have counts as its last.
    fn of(&self, code: Code) -> Code {
        match self {
            Self::Nearest(from, to) => to.nearest(from.number(code.min(from.count() - 1))),
            Self::Place(1, _) => 0,
            Self::Place(from, to) => {
                let (last, most) = (u64::from(from - 1), u64::from(to - 1));
                ((u64::from(code).min(last) * most + last / 2) / last) as Code
            }
            Self::Names(codes) => codes.get(code as usize).or(codes.last()).copied().unwrap_or(0),
        }
    }
}

fn way(from: &Column, to: &Column) -> Way {
    match (&from.domain, &to.domain) {
        (Domain::Grid(a), Domain::Grid(b)) if is_named(from, to) && is_time(a) == is_time(b) => {
            Way::Nearest(a.clone(), b.clone())
        }
        (Domain::Categories(a), Domain::Categories(b)) => {
            let known =
                |name: &String| if is_named(from, to) { b.iter().position(|other| other == name) } else { None };
            Way::Names(a.iter().enumerate().map(|(i, name)| known(name).unwrap_or(i % b.len()) as Code).collect())
        }
        (a, b) => Way::Place(a.len() as u32, b.len() as u32),
    }
}

fn is_time(grid: &Grid) -> bool {
    matches!(grid.kind(), GridKind::Date | GridKind::Moment)
}

fn same_kind(a: &Column, b: &Column) -> bool {
    matches!(
        (&a.domain, &b.domain),
        (Domain::Grid(_), Domain::Grid(_)) | (Domain::Categories(_), Domain::Categories(_))
    )
}

fn is_named(a: &Column, b: &Column) -> bool {
    a.name.trim().to_lowercase() == b.name.trim().to_lowercase()
}
