//! Rules that bind the columns of a row to each other. They are declared with the schema, and as public as it is.
//!
//! A rule says nothing about a row in which a cell that it compares or adds is missing.

use std::ops::RangeInclusive;

use super::column::{Code, Column, Domain, MISSING};
use super::grid::{Grid, MAX_DIGITS};

/// What must be true of every row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowRule {
    /// Numbers, or times, that do not fall from one column to the next.
    Order {
        /// At least two columns.
        columns: Vec<usize>,
        /// Whether each must be above the one before.
        strict: bool,
    },
    /// A number that is the sum of others, to the last digit.
    Sum {
        /// The column of the sum.
        total: usize,
        /// What it is the sum of: at least two columns.
        parts: Vec<usize>,
    },
    /// If one cell is among these, another one is among those.
    Implies {
        /// When it applies.
        when: Among,
        /// What is then so.
        then: Among,
    },
    /// Cells that occur together, or never do.
    Combinations {
        /// At least two columns.
        columns: Vec<usize>,
        /// The combinations in ascending order, a code for each column.
        listed: Vec<Vec<Code>>,
        /// Whether these alone may occur; otherwise these may not.
        allowed: bool,
    },
}

/// Some of a column's cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Among {
    /// The column.
    pub column: usize,
    /// Values, by their codes.
    pub codes: Vec<RangeInclusive<Code>>,
    /// Whether a missing cell is among them.
    pub missing: bool,
}

impl Among {
    /// Whether a cell is among them.
    #[must_use]
    pub fn holds(&self, code: Code) -> bool {
        if code == MISSING { self.missing } else { self.codes.iter().any(|range| range.contains(&code)) }
    }

    /// The only cell that is among them, if there is but one.
    fn only(&self) -> Option<Code> {
        match &self.codes[..] {
            [] if self.missing => Some(MISSING),
            [range] if !self.missing && range.start() == range.end() => Some(*range.start()),
            _ => None,
        }
    }
}

impl RowRule {
    /// Whether a row keeps it.
    #[must_use]
    pub fn holds(&self, columns: &[Column], row: &[Code]) -> bool {
        match self {
            Self::Order { columns: order, strict } => {
                let mut numbers = order.iter().filter_map(|&j| exact(&columns[j], row[j]));
                let Some(mut last) = numbers.next() else { return true };
                numbers.all(|number| {
                    let fits = if *strict { last < number } else { last <= number };
                    last = number;
                    fits
                })
            }
            Self::Sum { total, parts } => match (exact(&columns[*total], row[*total]), sum(columns, parts, row)) {
                (Some(total), Some(sum)) => total == sum,
                _ => true,
            },
            Self::Implies { when, then } => !when.holds(row[when.column]) || then.holds(row[then.column]),
            Self::Combinations { columns, listed, allowed } => {
                let cells = || columns.iter().map(|&j| row[j]);
                listed.binary_search_by(|known| known.iter().copied().cmp(cells())).is_ok() == *allowed
            }
        }
    }

    /// Sets the cell of a row that the others determine, if one is. Says whether there is such a value.
    pub(super) fn settle(&self, columns: &[Column], row: &mut [Code]) -> bool {
        match self {
            Self::Sum { total, parts } if row[*total] != MISSING => {
                let Some(sum) = sum(columns, parts, row) else { return true };
                let code = code(&columns[*total], sum);
                code.map(|code| row[*total] = code).is_some()
            }
            Self::Implies { when, then } if when.holds(row[when.column]) => {
                if let Some(only) = then.only() {
                    row[then.column] = only;
                }
                true
            }
            _ => true,
        }
    }

    /// The rule in words, for messages: `admitted <= left`. Names columns and their number, no value.
    #[must_use]
    pub fn text(&self, columns: &[Column]) -> String {
        let names = |of: &[usize], between: &str| {
            of.iter().map(|&j| columns[j].name.as_str()).collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Order { columns: order, strict } => names(order, if *strict { " < " } else { " <= " }),
            Self::Sum { total, parts } => format!("{} = {}", columns[*total].name, names(parts, " + ")),
            Self::Implies { when, then } => {
                format!("{} implies {}", columns[when.column].name, columns[then.column].name)
            }
            Self::Combinations { columns: of, allowed, .. } => {
                format!("{} combinations of {}", if *allowed { "allowed" } else { "forbidden" }, names(of, ", "))
            }
        }
    }
}

/// Whether every sum of values of these columns lies on the grid of the total, but for its ends.
pub(super) fn fine_enough(columns: &[Column], total: usize, parts: &[usize]) -> bool {
    let grid = |j: usize| match &columns[j].domain {
        Domain::Grid(grid) => {
            Some((i128::from(grid.first().mantissa) * unit(grid), i128::from(grid.step().mantissa) * unit(grid)))
        }
        Domain::Categories(_) => None,
    };
    let (Some((first, step)), Some(parts)) = (grid(total), parts.iter().map(|&j| grid(j)).collect::<Option<Vec<_>>>())
    else {
        return false;
    };
    let least: i128 = parts.iter().map(|part| part.0).sum();
    (least - first) % step == 0 && parts.iter().all(|part| part.1 % step == 0)
}

/// One digit after a grid's point in units of `10^-MAX_DIGITS`, the finest of all grids.
fn unit(grid: &Grid) -> i128 {
    10i128.pow(MAX_DIGITS - grid.first().scale)
}

/// A cell in units of `10^-MAX_DIGITS` (seconds scaled alike for times): comparable over columns of one family.
fn exact(column: &Column, code: Code) -> Option<i128> {
    match &column.domain {
        Domain::Grid(grid) if code != MISSING => Some(i128::from(grid.units(code)) * unit(grid)),
        _ => None,
    }
}

/// The sum of the cells of these columns, if none is missing.
fn sum(columns: &[Column], parts: &[usize], row: &[Code]) -> Option<i128> {
    parts.iter().map(|&j| exact(&columns[j], row[j])).sum()
}

/// The code of a number, if it is a value of the column.
fn code(column: &Column, number: i128) -> Option<Code> {
    let Domain::Grid(grid) = &column.domain else { return None };
    let above = number - i128::from(grid.first().mantissa) * unit(grid);
    let step = i128::from(grid.step().mantissa) * unit(grid);
    let code = Code::try_from(above.checked_div(step)?).ok()?;
    (above % step == 0 && code < grid.count()).then_some(code)
}
