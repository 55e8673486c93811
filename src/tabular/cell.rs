//! One cell: bytes to code by the column's declaration.

use std::collections::HashMap;

use super::column::{Code, Column, Domain, MISSING};
use super::grid::{Grid, GridKind, GridMiss};

/// A column prepared for reading cells.
pub(super) struct CellReader {
    /// The declared name.
    pub(super) name: String,
    nullable: bool,
    values: Values,
}

enum Values {
    /// A few categories are found faster by looking at each than by hashing.
    Few(Vec<Box<[u8]>>),
    Many(HashMap<Box<[u8]>, Code>),
    Grid(Grid),
}

const FEW: usize = 12;

/// Why a cell is no value of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellFault {
    Empty,
    Nul,
    NotUtf8,
    Category,
    Number(GridMiss),
}

impl CellReader {
    /// Prepares a column.
    pub(super) fn new(column: &Column) -> Self {
        let values = match &column.domain {
            Domain::Grid(grid) => Values::Grid(grid.clone()),
            Domain::Categories(names) if names.len() <= FEW => {
                Values::Few(names.iter().map(|name| name.as_bytes().into()).collect())
            }
            Domain::Categories(names) => {
                let names = names.iter().enumerate();
                Values::Many(names.map(|(code, name)| (name.as_bytes().into(), code as Code)).collect())
            }
        };
        Self { name: column.name.clone(), nullable: column.nullable, values }
    }

    /// The code of a cell: the bytes as they are, then without blanks around them.
    pub(super) fn code(&self, cell: &[u8]) -> Result<Code, CellFault> {
        let trimmed = cell.trim_ascii();
        if trimmed.is_empty() && self.nullable {
            return self.category(cell).map_or(Ok(MISSING), Ok);
        }
        let miss = match &self.values {
            Values::Grid(grid) => match grid.read(trimmed) {
                Ok(code) => return Ok(code),
                Err(miss) => CellFault::Number(miss),
            },
            Values::Few(_) | Values::Many(_) => match self.category(cell).or_else(|| self.category(trimmed)) {
                Some(code) => return Ok(code),
                None => CellFault::Category,
            },
        };
        // Every cell with a code is clean UTF-8 because the declaration is: look only now.
        Err(match cell {
            _ if trimmed.is_empty() => CellFault::Empty,
            _ if cell.contains(&0) => CellFault::Nul,
            _ if std::str::from_utf8(cell).is_err() => CellFault::NotUtf8,
            _ => miss,
        })
    }

    /// A fault in words, about the declaration and not the cell.
    pub(super) fn reason(&self, fault: CellFault) -> String {
        match (fault, &self.values) {
            (CellFault::Empty, _) => "is empty, but the column is not declared nullable".into(),
            (CellFault::Nul, _) => "holds a NUL byte".into(),
            (CellFault::NotUtf8, _) => "is not UTF-8: save the table as UTF-8".into(),
            (CellFault::Number(miss), Values::Grid(grid)) => grid_reason(miss, grid),
            (_, Values::Few(names)) => format!("is not one of the {} declared categories", names.len()),
            (_, Values::Many(names)) => format!("is not one of the {} declared categories", names.len()),
            (_, Values::Grid(_)) => "is not a value of the column".into(),
        }
    }

    fn category(&self, cell: &[u8]) -> Option<Code> {
        match &self.values {
            Values::Few(names) => names.iter().position(|name| **name == *cell).map(|code| code as Code),
            Values::Many(names) => names.get(cell).copied(),
            Values::Grid(_) => None,
        }
    }
}

fn grid_reason(miss: GridMiss, grid: &Grid) -> String {
    match (miss, grid.kind()) {
        (GridMiss::Syntax, GridKind::Date) => "is not a date: write 2026-11-23".into(),
        (GridMiss::Syntax, GridKind::Moment) => "is not a date and time: write 2026-11-23T15:56:00Z".into(),
        (GridMiss::Syntax, _) => "is not a number".into(),
        (GridMiss::Fraction, _) => "is not a whole number".into(),
        (GridMiss::Bounds, _) => "is outside the declared min and max".into(),
    }
}
