//! One cell: bytes to code by the column's declaration.

use std::collections::HashMap;

use super::column::{Code, Column, Domain, MISSING};
use super::grid::{Grid, GridKind, GridMiss};
use super::spreadsheet::aliases;

/// A column prepared for reading cells.
pub(super) struct CellReader {
    /// The declared name.
    pub(super) name: String,
    nullable: bool,
    values: Values,
    /// Categories in the form in which they are written for spreadsheets, where that is another one and free.
    guarded: HashMap<Box<[u8]>, Code>,
    /// Spellings of a missing cell besides the empty one.
    missing: Vec<Box<[u8]>>,
    boolean: bool,
}

enum Values {
    /// A few categories are found faster by looking at each than by hashing.
    Few(Vec<Box<[u8]>>),
    Many(HashMap<Box<[u8]>, Code>),
    Grid(Grid),
}

const FEW: usize = 12;

/// What is said of bytes that are no UTF-8; where they come from is a guess, and the remedy is the same.
pub(super) const NOT_UTF8: &str = "is not UTF-8, but perhaps Latin-1 or Windows-1252: save the table as UTF-8, or convert it \
    with iconv -f WINDOWS-1252 -t UTF-8";

/// Why a cell is no value of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellFault {
    Empty,
    Nul,
    NotUtf8,
    /// What is between the quotes would be a value.
    Quotes,
    /// A number as other countries write it.
    Comma,
    Category,
    Number(GridMiss),
}

impl CellReader {
    /// Prepares a column.
    pub(super) fn new(column: &Column, missing: &[String]) -> Self {
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
        let guarded = match &column.domain {
            Domain::Categories(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                aliases(&names).into_iter().map(|(alias, code)| (alias.into_bytes().into(), code as Code)).collect()
            }
            Domain::Grid(_) => HashMap::new(),
        };
        let missing = missing.iter().map(|spelling| spelling.as_bytes().into()).collect();
        let (name, nullable, boolean) = (column.name.clone(), column.nullable, column.is_boolean());
        Self { name, nullable, values, guarded, missing, boolean }
    }

    /// The code of a cell: the bytes as they are, then without blanks around them.
    pub(super) fn code(&self, cell: &[u8]) -> Result<Code, CellFault> {
        self.value(cell).map_err(|miss| {
            let trimmed = cell.trim_ascii();
            // Every cell with a code is clean UTF-8 because the declaration is: look only now.
            match cell {
                _ if trimmed.is_empty() => CellFault::Empty,
                _ if cell.contains(&0) => CellFault::Nul,
                _ if std::str::from_utf8(cell).is_err() => CellFault::NotUtf8,
                _ if between_quotes(trimmed).is_some_and(|within| self.value(within).is_ok()) => CellFault::Quotes,
                _ if miss == CellFault::Number(GridMiss::Syntax) && has_comma(trimmed) => CellFault::Comma,
                _ => miss,
            }
        })
    }

    fn value(&self, cell: &[u8]) -> Result<Code, CellFault> {
        let trimmed = cell.trim_ascii();
        if trimmed.is_empty() && self.nullable {
            return self.category(cell).map_or(Ok(MISSING), Ok);
        }
        if self.missing.iter().any(|spelling| **spelling == *trimmed) {
            return Ok(MISSING);
        }
        match &self.values {
            Values::Grid(grid) => grid.read(trimmed).map_err(CellFault::Number),
            Values::Few(_) | Values::Many(_) => {
                let found = self.category(cell).or_else(|| self.category(trimmed));
                found.or_else(|| truth(trimmed).filter(|_| self.boolean)).ok_or(CellFault::Category)
            }
        }
    }

    /// A fault in words, about the declaration and not the cell.
    pub(super) fn reason(&self, fault: CellFault) -> String {
        match (fault, &self.values) {
            (CellFault::Category, _) if self.boolean => "is not true or false".into(),
            (CellFault::Empty, _) => "is empty, but the column is not declared nullable".into(),
            (CellFault::Nul, _) => "holds a NUL byte".into(),
            (CellFault::NotUtf8, _) => NOT_UTF8.into(),
            (CellFault::Quotes, _) => {
                "is quoted in another way than RFC 4180 has it: double quotes, and no blank before them".into()
            }
            (CellFault::Comma, _) => {
                "is not a number: write a point before the decimals, and nothing between thousands".into()
            }
            (CellFault::Number(miss), Values::Grid(grid)) => grid_reason(miss, grid),
            (_, Values::Few(names)) => format!("is not one of the {} declared categories", names.len()),
            (_, Values::Many(names)) => format!("is not one of the {} declared categories", names.len()),
            (_, Values::Grid(_)) => "is not a value of the column".into(),
        }
    }

    fn category(&self, cell: &[u8]) -> Option<Code> {
        let found = match &self.values {
            Values::Few(names) => names.iter().position(|name| **name == *cell).map(|code| code as Code),
            Values::Many(names) => names.get(cell).copied(),
            Values::Grid(_) => None,
        };
        found.or_else(|| self.guarded.get(cell).copied())
    }
}

/// The code of a truth value as programs and people spell it.
fn truth(cell: &[u8]) -> Option<Code> {
    let is = |spellings: [&str; 5]| spellings.iter().any(|spelling| cell.eq_ignore_ascii_case(spelling.as_bytes()));
    if is(["true", "t", "yes", "y", "1"]) {
        return Some(1);
    }
    is(["false", "f", "no", "n", "0"]).then_some(0)
}

/// What is between single quotes, or between double ones that the parser took for text.
fn between_quotes(cell: &[u8]) -> Option<&[u8]> {
    let between = |quote: &[u8]| cell.strip_prefix(quote)?.strip_suffix(quote);
    between(b"'").or_else(|| between(b"\""))
}

/// Whether a cell is made of digits and commas.
fn has_comma(cell: &[u8]) -> bool {
    let of_number = |b: &u8| b.is_ascii_digit() || b"+-,.' ".contains(b);
    cell.contains(&b',') && cell.iter().any(u8::is_ascii_digit) && cell.iter().all(of_number)
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
