//! The compact codec: a row as one token a column, the target last.
//!
//! Everything here follows from the public schema. Every column owns a contiguous span of token
//! ids, so a model that only ever looks at the span of the next column cannot write an invalid row.
//! A column is one token a value where its domain is small. A wide grid is cut into equal bins over
//! its declared range, with tokens of their own for the lower bound and for zero, the two values
//! that registers pile up on; a bin is read back as a value drawn uniformly inside it.

use std::ops::Range;

use rand::Rng;

use crate::tabular::column::{Code, Column, Domain, MISSING};
use crate::tabular::grid::Grid;
use crate::tabular::schema::Schema;

/// The token that opens every row. It belongs to no column.
pub const START: u32 = 0;

/// Grids of at most this many values get one token a value.
pub const NARROW: u32 = 100;

/// Bins of a wider grid: divisible by 10, 12, 15 and 20, so that coarser histograms nest in it.
pub const BINS: u32 = 60;

/// Rows to tokens and back, for one schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Compact {
    columns: Vec<Coding>,
}

/// How one column is written, at its position in the row of tokens.
#[derive(Clone, Debug, PartialEq)]
struct Coding {
    /// The column's index in the schema.
    column: usize,
    /// Its token ids: values, or atoms and then bins; then the missing token if it is nullable.
    span: Range<u32>,
    /// The number of values of the domain.
    count: u32,
    cut: Cut,
    nullable: bool,
    ordered: bool,
}

/// How a domain is cut into tokens.
#[derive(Clone, Debug, PartialEq)]
enum Cut {
    /// One token a value.
    Values,
    /// Codes with a token of their own (ascending), then `BINS` equal bins over all codes.
    Bins { atoms: Vec<Code> },
}

impl Compact {
    /// The compact codec of a schema: columns in declared order, except that the target comes last.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        let mut next = START + 1;
        let columns = schema
            .order()
            .map(|i| {
                let coding = Coding::new(i, &schema.columns()[i], next);
                next = coding.span.end;
                coding
            })
            .collect();
        Self { columns }
    }

    /// Tokens a row, one a column; the opening token is not counted.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Token ids in all, the opening token included.
    #[must_use]
    pub fn vocabulary(&self) -> u32 {
        self.columns.last().map_or(START + 1, |c| c.span.end)
    }

    /// The token ids of each position, contiguous and in order.
    #[must_use]
    pub fn spans(&self) -> Vec<Range<u32>> {
        self.columns.iter().map(|c| c.span.clone()).collect()
    }

    /// The tokens of each position whose order means something (the values or bins of a grid, in
    /// ascending order); empty for categories.
    #[must_use]
    pub fn ordered(&self) -> Vec<Range<u32>> {
        self.columns.iter().map(Coding::ordered_tokens).collect()
    }

    /// The column, in the schema, that position `i` writes.
    pub(super) fn column(&self, i: usize) -> Option<usize> {
        self.columns.get(i).map(|coding| coding.column)
    }

    /// The token of a code at position `i`.
    pub(super) fn token(&self, i: usize, code: Code) -> u32 {
        self.columns.get(i).map_or(START, |coding| coding.encode(code))
    }

    /// The token of position `i` that stands for a missing cell.
    pub(super) fn missing(&self, i: usize) -> Option<u32> {
        self.columns.get(i).filter(|coding| coding.nullable).map(|coding| coding.span.end - 1)
    }

    /// The code that a token stands for at position `i`; in a bin, one drawn uniformly.
    pub(super) fn code<R: Rng + ?Sized>(&self, i: usize, token: u32, rng: &mut R) -> Code {
        self.columns.get(i).map_or(MISSING, |coding| coding.decode(token, rng))
    }

    /// The probability of a code of a column of the schema, given its token.
    pub(super) fn share(&self, column: usize, code: Code) -> f64 {
        self.columns.iter().find(|coding| coding.column == column).map_or(1.0, |coding| coding.share(code))
    }

    /// Writes a row of codes (`width`, schema order) as tokens (`width`, position order).
    ///
    /// Total: a code that its column does not declare becomes the column's last token.
    pub fn encode(&self, row: &[Code], tokens: &mut [u32]) {
        for (token, coding) in tokens.iter_mut().zip(&self.columns) {
            *token = coding.encode(row[coding.column]);
        }
    }

    /// Reads a row of tokens back. A bin becomes a value drawn uniformly inside it.
    ///
    /// Total: a token outside its position's span is read as the nearest one inside.
    pub fn decode<R: Rng + ?Sized>(&self, tokens: &[u32], rng: &mut R, row: &mut [Code]) {
        for (&token, coding) in tokens.iter().zip(&self.columns) {
            row[coding.column] = coding.decode(token, rng);
        }
    }
}

impl Coding {
    fn new(column: usize, declared: &Column, start: u32) -> Self {
        let count = declared.domain.len() as u32;
        let (cut, ordered) = match &declared.domain {
            Domain::Categories(_) => (Cut::Values, false),
            Domain::Grid(grid) if grid.count() <= NARROW => (Cut::Values, true),
            Domain::Grid(grid) => (Cut::Bins { atoms: atoms(grid) }, true),
        };
        let nullable = declared.nullable;
        let tokens = match &cut {
            Cut::Values => count,
            Cut::Bins { atoms } => atoms.len() as u32 + BINS,
        };
        Self { column, span: start..start + tokens + u32::from(nullable), count, cut, nullable, ordered }
    }

    fn ordered_tokens(&self) -> Range<u32> {
        let end = self.span.end - u32::from(self.nullable);
        match &self.cut {
            _ if !self.ordered => end..end,
            Cut::Values => self.span.start..end,
            Cut::Bins { .. } => end - BINS..end,
        }
    }

    fn encode(&self, code: Code) -> u32 {
        if code >= self.count {
            return self.span.end - 1;
        }
        let offset = match &self.cut {
            Cut::Values => code,
            Cut::Bins { atoms } => match atoms.binary_search(&code) {
                Ok(atom) => atom as u32,
                Err(_) => atoms.len() as u32 + bin_of(code, self.count),
            },
        };
        self.span.start + offset
    }

    fn share(&self, code: Code) -> f64 {
        match &self.cut {
            Cut::Bins { atoms } if code < self.count && atoms.binary_search(&code).is_err() => {
                let bin = bin(bin_of(code, self.count), self.count);
                let taken = atoms.iter().filter(|&atom| bin.contains(atom)).count() as u32;
                1.0 / f64::from(bin.end - bin.start - taken)
            }
            _ => 1.0,
        }
    }

    fn decode<R: Rng + ?Sized>(&self, token: u32, rng: &mut R) -> Code {
        let token = token.clamp(self.span.start, self.span.end - 1);
        if self.nullable && token == self.span.end - 1 {
            return MISSING;
        }
        let offset = token - self.span.start;
        match &self.cut {
            Cut::Values => offset,
            Cut::Bins { atoms } => match atoms.get(offset as usize) {
                Some(&code) => code,
                None => draw(bin(offset - atoms.len() as u32, self.count), atoms, rng),
            },
        }
    }
}

/// The codes of a wide grid with tokens of their own: the lower bound, and zero where it is a value.
fn atoms(grid: &Grid) -> Vec<Code> {
    let zero = grid.nearest(0.0);
    if zero > 0 && grid.number(zero) == 0.0 { vec![0, zero] } else { vec![0] }
}

/// Codes `[i n / BINS, (i + 1) n / BINS)`, rounded up at both ends: at least one code as `n > NARROW`.
fn bin(i: u32, count: u32) -> Range<Code> {
    let edge = |i: u32| (u64::from(i) * u64::from(count)).div_ceil(u64::from(BINS)) as Code;
    edge(i)..edge(i + 1)
}

fn bin_of(code: Code, count: u32) -> u32 {
    (u64::from(code) * u64::from(BINS) / u64::from(count)) as u32
}

/// A code of the bin that is no atom, unless the bin holds nothing else.
fn draw<R: Rng + ?Sized>(bin: Range<Code>, atoms: &[Code], rng: &mut R) -> Code {
    let taken = atoms.iter().filter(|&atom| bin.contains(atom)).count() as u32;
    let free = bin.end - bin.start - taken;
    if free == 0 {
        return bin.start;
    }
    let mut code = bin.start + rng.random_range(0..free);
    for &atom in atoms.iter().filter(|&atom| bin.contains(atom)) {
        code += u32::from(code >= atom);
    }
    code
}
