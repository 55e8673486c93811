//! Single cells by name, outside of any table.

use super::cell::CellReader;
use super::column::Code;
use super::schema::Schema;

/// A schema prepared for reading single cells.
pub struct Cells {
    readers: Vec<CellReader>,
}

impl Cells {
    /// Prepares every column.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        Self {
            readers: schema
                .columns()
                .iter()
                .zip(schema.missing())
                .map(|(column, missing)| CellReader::new(column, missing))
                .collect(),
        }
    }

    /// The index of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.readers.iter().position(|reader| reader.name == name)
    }

    /// The code of a text in column `i`, as in a CSV: empty for a missing cell.
    ///
    /// # Errors
    /// What is wrong with the text, in words that do not repeat it.
    pub fn code(&self, i: usize, text: &str) -> Result<Code, String> {
        let reader = &self.readers[i];
        reader.code(text.as_bytes()).map_err(|fault| reader.reason(fault))
    }
}
