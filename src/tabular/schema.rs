//! The declared columns of a table, checked.

use std::collections::HashSet;

use super::column::{Code, Column};

/// Most columns a table may have.
pub const MAX_COLUMNS: usize = 1024;

/// A checked declaration: at least one column, distinct names, no empty domain.
///
/// A schema is public: the custodian states it before any private byte is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    columns: Vec<Column>,
    target: Option<usize>,
    positive: Option<Code>,
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
    /// [`SchemaError`] when there is no column or too many, a name is empty or repeated, or the
    /// target does not exist.
    pub fn new(columns: Vec<Column>, target: Option<usize>, positive: Option<Code>) -> Result<Self, SchemaError> {
        if columns.is_empty() || columns.len() > MAX_COLUMNS {
            return Err(SchemaError::new("columns", format!("declare between 1 and {MAX_COLUMNS} columns")));
        }
        let mut seen = HashSet::new();
        for (i, column) in columns.iter().enumerate() {
            let at = || format!("columns[{i}] ({})", column.name);
            if column.name.is_empty() {
                return Err(SchemaError::new(at(), "a column needs a name"));
            }
            if !seen.insert(column.name.as_str()) {
                return Err(SchemaError::new(at(), "two columns have this name"));
            }
            if column.domain.is_empty() {
                return Err(SchemaError::new(at(), "a column needs at least one value"));
            }
        }
        if target.is_some_and(|t| t >= columns.len()) {
            return Err(SchemaError::new("target", "no such column"));
        }
        Ok(Self { columns, target, positive })
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

    /// The target's value that counts as positive in a two-class evaluation, if declared.
    #[must_use]
    pub fn positive(&self) -> Option<Code> {
        self.positive
    }
}
