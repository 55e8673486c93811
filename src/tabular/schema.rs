//! The declared columns of a table, checked.

use std::collections::HashSet;

use super::column::{Code, Column, Domain, MISSING};
use super::rule::RowRule;
use super::rules::Rules;

/// Most columns a table may have.
pub const MAX_COLUMNS: usize = 1024;

/// Longest name of a column, in bytes.
pub const MAX_NAME: usize = 512;

/// Longest category, in bytes.
pub const MAX_CATEGORY: usize = 4096;

/// Longest spelling of a missing cell, in bytes, and most of a column.
const MAX_SPELLING: usize = 64;
const MOST_SPELLINGS: usize = 32;

/// A checked declaration: at least one column, distinct names, no empty domain, distinct categories.
///
/// A schema is public: the custodian states it before any private byte is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    columns: Vec<Column>,
    target: Option<usize>,
    positive: Option<Code>,
    /// For each column, spellings of a missing cell besides the empty one.
    missing: Vec<Vec<String>>,
    rules: Rules,
}

/// What is wrong with a declaration. Messages name columns, which are public.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct SchemaError {
    /// Where: `columns[3] (age)`, `target`.
    pub at: String,
    /// What is wrong and how to mend it.
    pub reason: String,
}

impl SchemaError {
    /// An error at a place of the declaration.
    pub fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: at.into(), reason: reason.into() }
    }
}

impl Schema {
    /// Checks and keeps a declaration. `target` and `positive` are an index into the columns and a
    /// code of that column's domain.
    ///
    /// # Errors
    /// [`SchemaError`] when there is no column or too many; a name or category is empty where it
    /// may not be, repeated, too long or holds a NUL; or the target or its positive value does not
    /// exist.
    pub fn new(columns: Vec<Column>, target: Option<usize>, positive: Option<Code>) -> Result<Self, SchemaError> {
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return Err(SchemaError::new("columns", format!("declare between 1 and {MAX_COLUMNS} columns")));
        }
        let mut seen = HashSet::new();
        for (i, column) in columns.iter().enumerate() {
            let fault =
                if seen.insert(column.name.as_str()) { fault(column) } else { Some("two columns have this name") };
            if let Some(reason) = fault {
                return Err(SchemaError::new(place(i, &column.name), reason));
            }
        }
        if target.is_some_and(|t| t >= columns.len()) {
            return Err(SchemaError::new("target", "no such column"));
        }
        let values = target.map_or(0, |t| columns[t].domain.len());
        if positive.is_some_and(|code| code as usize >= values) {
            return Err(SchemaError::new("positive", "it must be a value of the target column"));
        }
        let missing = vec![Vec::new(); columns.len()];
        Ok(Self { columns, target, positive, missing, rules: Rules::default() })
    }

    /// The schema with spellings of a missing cell for each column, besides the empty one; blanks around them and repetitions
    /// do not count.
    ///
    /// # Errors
    /// [`SchemaError`] for spellings of a column that is not nullable, that are values of the column, too long or too many.
    pub fn with_missing(mut self, missing: Vec<Vec<String>>) -> Result<Self, SchemaError> {
        for (i, (column, spellings)) in self.columns.iter().zip(missing).enumerate() {
            let fault = |reason: &str| Err(SchemaError::new(place(i, &column.name), reason));
            let mut kept: Vec<String> = Vec::new();
            for spelling in spellings.iter().map(|spelling| spelling.trim()).filter(|spelling| !spelling.is_empty()) {
                let value = match &column.domain {
                    Domain::Categories(names) => names.iter().any(|name| name.trim() == spelling),
                    Domain::Grid(grid) => grid.code(spelling).is_ok(),
                };
                if value {
                    return fault("a spelling of missing is a value of the column: drop one of the two");
                }
                if !column.nullable {
                    return fault("missing needs nullable: a cell that may be missing is declared so");
                }
                if spelling.len() > MAX_SPELLING || spelling.contains('\0') {
                    return fault("a spelling of missing has more than 64 bytes, or a NUL character");
                }
                if !kept.iter().any(|known| known == spelling) {
                    kept.push(spelling.to_owned());
                }
            }
            if kept.len() > MOST_SPELLINGS {
                return fault("more than 32 spellings of missing: declare fewer");
            }
            self.missing[i] = kept;
        }
        Ok(self)
    }

    /// The schema with rules that bind the columns of a row to each other.
    ///
    /// # Errors
    /// [`SchemaError`] for too many rules, and for one that names a column twice or one that is not there, compares or adds
    /// what cannot be, adds up to what would be rounded, lists too much or nothing, or makes a column the sum of two things or of itself.
    pub fn with_rules(mut self, rules: Vec<RowRule>) -> Result<Self, SchemaError> {
        self.rules = Rules::new(rules, &self.columns)?;
        Ok(self)
    }

    /// The rules that bind the columns of a row to each other.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// For each column, spellings of a missing cell besides the empty one.
    #[must_use]
    pub fn missing(&self) -> &[Vec<String>] {
        &self.missing
    }

    /// A schema with the same names, target and missing cells, and with these domains instead. What is positive of the
    /// target is forgotten, and so are the rules, which are about values. Categories must be distinct and not empty.
    #[must_use]
    pub fn with_domains(&self, domain: impl Fn(usize) -> Domain) -> Self {
        let column = |(at, column): (usize, &Column)| Column { domain: domain(at), ..column.clone() };
        let columns = self.columns.iter().enumerate().map(column).collect();
        let missing = vec![Vec::new(); self.width()];
        Self { columns, target: self.target, positive: None, missing, rules: Rules::default() }
    }

    /// The columns in the order of the table.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The index of the column that models built on the table predict, if one was declared.
    #[must_use]
    pub fn target(&self) -> Option<usize> {
        self.target
    }

    /// Indices of the columns in the order in which they are written as tokens: as declared, except that
    /// the target comes last.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        let target = self.target;
        (0..self.width()).filter(move |&i| Some(i) != target).chain(target)
    }

    /// The target's value that counts as positive in a two-class evaluation, if declared.
    #[must_use]
    pub fn positive(&self) -> Option<Code> {
        self.positive
    }
}

/// How an error names column `i`: `columns[3] (age)`.
pub(super) fn place(i: usize, name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    if shown.is_empty() { format!("columns[{i}]") } else { format!("columns[{i}] ({shown})") }
}

fn fault(column: &Column) -> Option<&'static str> {
    if column.name.trim().is_empty() {
        return Some("a column needs a name that is not blank");
    }
    if column.name.len() > MAX_NAME {
        return Some("the name is longer than 512 bytes: shorten it here and in the header of the table");
    }
    if column.name.contains('\0') {
        return Some("the name holds a NUL character: remove it");
    }
    match &column.domain {
        Domain::Categories(names) => category_fault(names, column.nullable),
        Domain::Grid(_) => None,
    }
}

fn category_fault(names: &[String], nullable: bool) -> Option<&'static str> {
    let mut seen = HashSet::new();
    if names.is_empty() || names.len() >= MISSING as usize {
        return Some("categories must list at least one value");
    }
    if nullable && names.iter().any(String::is_empty) {
        return Some("an empty cell would be both missing and the category \"\": drop nullable or that category");
    }
    if names.iter().any(|name| name.len() > MAX_CATEGORY) {
        return Some("a category is longer than 4096 bytes: shorten it here and in the table");
    }
    if names.iter().any(|name| name.contains('\0')) {
        return Some("a category holds a NUL character: remove it");
    }
    names.iter().any(|name| !seen.insert(name.as_str())).then_some("a category is listed twice: list each once")
}
