//! What all forms of tables have in common: cells to codes, problems by their places, and limits.

use super::cell::{CellFault, CellReader, NOT_UTF8};
use super::column::Code;
use super::limits::UploadLimits;
use super::problem::{TableError, TableProblem};
use super::reader::Summary;
use super::schema::Schema;

/// Judges the cells of a table, row by row. It hands on no row after the first problem.
pub(super) struct Judge {
    columns: Vec<CellReader>,
    /// The column that says whose row it is; it comes after those of the schema.
    person: Option<String>,
    limits: UploadLimits,
    /// The schema, if rows have rules to keep.
    ruled: Option<Schema>,
    row: Vec<Code>,
    rows: u64,
    problems: Vec<TableProblem>,
    /// Problems of the rows before this one.
    before: usize,
}

/// Why a cell is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is longer than cells may be.
    Long,
    /// It is no value of its column.
    Cell(CellFault),
}

impl Judge {
    /// A judge of tables of this schema.
    pub(super) fn new(schema: &Schema, limits: UploadLimits) -> Self {
        Self {
            columns: schema
                .columns()
                .iter()
                .zip(schema.missing())
                .map(|(column, missing)| CellReader::new(column, missing))
                .collect(),
            person: None,
            limits,
            ruled: (!schema.rules().is_empty()).then(|| schema.clone()),
            row: vec![0; schema.width()],
            rows: 0,
            problems: Vec::new(),
            before: 0,
        }
    }

    /// Also judges a column that says whose row it is, and is not in the schema.
    pub(super) fn of_persons(&mut self, column: &str) {
        self.person = Some(column.to_owned());
    }

    /// The names of all columns, that of persons last.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        names.extend(self.person.as_deref());
        names
    }

    /// The name of a column of the schema, or of the person's, which comes after them.
    pub(super) fn name_of(&self, j: usize) -> &str {
        self.columns.get(j).map_or(self.person.as_deref().unwrap_or_default(), |column| &column.name)
    }

    /// The place of the person's column, whether there is one or not.
    pub(super) fn person(&self) -> usize {
        self.columns.len()
    }

    /// The limits of the upload.
    pub(super) fn limits(&self) -> &UploadLimits {
        &self.limits
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Begins the next row.
    pub(super) fn begin_row(&mut self) -> Result<(), TableError> {
        self.rows += 1;
        self.before = self.problems.len();
        if self.rows > self.limits.rows {
            let reason = format!("more than {} rows", self.limits.rows);
            return Err(self.stop(TableProblem::of_row(self.rows, reason)));
        }
        Ok(())
    }

    /// The code of a cell of a column of the schema.
    pub(super) fn code(&self, j: usize, cell: &[u8]) -> Result<Code, Fault> {
        match self.columns.get(j) {
            _ if cell.len() > self.limits.cell_bytes => Err(Fault::Long),
            Some(column) => column.code(cell).map_err(Fault::Cell),
            None => Err(Fault::Cell(CellFault::Category)),
        }
    }

    /// Takes what [`Self::code`] said of a cell; says whether it is worth going on.
    pub(super) fn put(&mut self, j: usize, code: Result<Code, Fault>) -> bool {
        match (code, self.columns.get(j)) {
            (Ok(code), _) => {
                if let Some(cell) = self.row.get_mut(j) {
                    *cell = code;
                }
                true
            }
            (Err(Fault::Cell(fault)), Some(column)) => {
                let reason = column.reason(fault);
                self.cell_problem(j, reason)
            }
            (Err(_), _) => self.cell_problem(j, format!("is longer than {} bytes", self.limits.cell_bytes)),
        }
    }

    /// Judges a cell, the person's too; says whether it is worth going on.
    pub(super) fn cell(&mut self, j: usize, cell: &[u8]) -> bool {
        if j < self.columns.len() {
            let code = self.code(j, cell);
            return self.put(j, code);
        }
        match no_person(cell) {
            _ if cell.len() > self.limits.cell_bytes => self.put(j, Err(Fault::Long)),
            Some(reason) => self.cell_problem(j, reason),
            None => true,
        }
    }

    /// Something that is wrong with a cell; says whether it is worth going on.
    pub(super) fn cell_problem(&mut self, j: usize, reason: impl Into<String>) -> bool {
        let problem = TableProblem::of_cell(self.rows, self.name_of(j), reason);
        self.problems.push(problem);
        self.problems.len() < self.limits.problems
    }

    /// Something that is wrong with the row.
    pub(super) fn row_problem(&mut self, reason: impl Into<String>) {
        self.problems.push(TableProblem::of_row(self.rows, reason));
    }

    /// What is wrong with the cells of the row together, if each of them is right.
    fn broken(&self) -> Option<String> {
        let schema = self.ruled.as_ref().filter(|_| self.before == self.problems.len())?;
        let rule = schema.broken(&self.row)?;
        Some(format!("breaks rules[{rule}] of the schema ({})", schema.rules().list()[rule].text(schema.columns())))
    }

    /// Ends the row: hands it on, with the text of its person's cell, if nothing was wrong so far.
    pub(super) fn end_row(&mut self, person: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
        if let Some(reason) = self.broken() {
            self.row_problem(reason);
        }
        if self.problems.is_empty() {
            sink(&self.row, person.trim_ascii());
        }
        if self.problems.len() >= self.limits.problems { Err(self.refusal(true)) } else { Ok(()) }
    }

    /// Refuses the table for a problem that leaves no sense in reading on.
    pub(super) fn stop(&mut self, problem: TableProblem) -> TableError {
        self.problems.push(problem);
        self.refusal(true)
    }

    /// Refuses the table for what its names of columns are.
    pub(super) fn stop_for(&mut self, problems: Vec<TableProblem>) -> TableError {
        self.problems = problems;
        self.refusal(true)
    }

    /// Ends the table. `nothing` says what is wrong with one without rows.
    pub(super) fn finish(mut self, nothing: &str) -> Result<Summary, TableError> {
        if self.rows == 0 && self.problems.is_empty() {
            self.problems.push(TableProblem::of_row(0, nothing));
        }
        if self.problems.is_empty() { Ok(Summary { rows: self.rows }) } else { Err(self.refusal(false)) }
    }

    fn refusal(&mut self, stopped: bool) -> TableError {
        let mut problems = std::mem::take(&mut self.problems);
        problems.truncate(self.limits.problems);
        TableError { problems, stopped }
    }
}

/// Why a cell does not say whose row it is.
fn no_person(cell: &[u8]) -> Option<&'static str> {
    match cell {
        _ if cell.trim_ascii().is_empty() => Some("is empty: say of every row whose it is"),
        _ if cell.contains(&0) => Some("holds a NUL byte"),
        _ if std::str::from_utf8(cell).is_err() => Some(NOT_UTF8),
        _ => None,
    }
}
