//! JSON Lines to codes, an object a line, in one pass over whatever pieces the bytes come in.
//!
//! Cells are read from the text of the document: a number never passes through a double. Members come in any order; one
//! that is left out is a missing cell, as null is.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::cell::{CellFault, NOT_UTF8};
use super::column::Code;
use super::decimal::Decimal;
use super::header::unknown;
use super::judge::{Fault, Judge};
use super::limits::UploadLimits;
use super::problem::{TableError, TableProblem};
use super::reader::{BOM, Summary, not_text};
use super::schema::Schema;

/// A reader that is fed with bytes and gives rows of codes to a sink, as
/// [`TableReader`](super::TableReader) does. Its memory is bounded by the limit on a line.
pub struct LinesReader {
    judge: Judge,
    columns: HashMap<Box<str>, usize>,
    /// A line under way.
    line: Vec<u8>,
    /// Whether a line was looked at that is not blank.
    begun: bool,
    /// Which columns the object at hand has.
    seen: Vec<bool>,
    person: Vec<u8>,
}

impl LinesReader {
    /// A reader of tables of this schema.
    #[must_use]
    pub fn new(schema: &Schema, limits: UploadLimits) -> Self {
        let judge = Judge::new(schema, limits);
        let columns: HashMap<_, _> = judge.names().iter().enumerate().map(|(j, &name)| (name.into(), j)).collect();
        let seen = vec![false; columns.len()];
        Self { judge, columns, line: Vec::new(), begun: false, seen, person: Vec::new() }
    }

    /// Also reads a column that says whose row it is, and is not in the schema.
    #[must_use]
    pub fn of_persons(mut self, column: &str) -> Self {
        self.judge.of_persons(column);
        self.columns.insert(column.into(), self.judge.person());
        self.seen.push(false);
        self
    }

    /// Reads the next bytes and gives every row that they complete to `sink`, in schema order, with the
    /// text of its person's cell, or with nothing where there is none.
    ///
    /// # Errors
    /// [`TableError`] as soon as reading stops. The reader is of no use afterwards. Fewer problems wait for
    /// [`Self::finish`].
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                self.line_done(head, sink)?;
            } else {
                self.hold(head)?;
                let line = std::mem::take(&mut self.line);
                self.line_done(&line, sink)?;
                self.line = line;
                self.line.clear();
            }
        }
        self.hold(bytes)
    }

    /// Ends the table.
    ///
    /// # Errors
    /// [`TableError`] with every problem, among them a table without rows.
    pub fn finish(mut self, sink: &mut impl FnMut(&[Code], &[u8])) -> Result<Summary, TableError> {
        let line = std::mem::take(&mut self.line);
        self.line_done(&line, sink)?;
        self.judge.finish("the file is empty: it needs a JSON object a line")
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        self.check_length(self.line.len() + bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check_length(&mut self, length: usize) -> Result<(), TableError> {
        let most = self.judge.limits().line_bytes;
        if length <= most {
            return Ok(());
        }
        let reason = format!("is longer than {most} bytes: write an object a line");
        Err(self.judge.stop(TableProblem::of_row(self.judge.rows() + 1, reason)))
    }

    fn line_done(&mut self, mut line: &[u8], sink: &mut impl FnMut(&[Code], &[u8])) -> Result<(), TableError> {
        self.check_length(line.len())?;
        if !self.begun {
            let opening = line.get(..BOM.len().min(line.len())).unwrap_or_default();
            line = line.strip_prefix(BOM).unwrap_or(line);
            let list = line.trim_ascii_start().starts_with(b"[");
            let list = list.then_some("the file is a JSON list: write its objects one a line, without the list around");
            if let Some(reason) = not_text(opening).or(list) {
                return Err(self.judge.stop(TableProblem::of_row(0, reason)));
            }
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        self.begun = true;
        self.judge.begin_row()?;
        self.person.clear();
        match std::str::from_utf8(line).map(serde_json::from_str::<Members<'_>>) {
            Err(_) => self.judge.row_problem(NOT_UTF8),
            Ok(Err(fault)) if fault.is_data() => self.judge.row_problem("is no JSON object"),
            Ok(Err(fault)) => self.judge.row_problem(format!("is not valid JSON: see character {}", fault.column())),
            Ok(Ok(Members(members))) => self.row(&members),
        }
        let person = std::mem::take(&mut self.person);
        let ended = self.judge.end_row(&person, sink);
        self.person = person;
        ended
    }

    fn row(&mut self, members: &[(Cow<'_, str>, &RawValue)]) {
        self.seen.fill(false);
        let mut strangers = Vec::new();
        for (i, (name, value)) in members.iter().enumerate() {
            let go_on = match self.columns.get(name.as_ref()).copied() {
                None => {
                    strangers.push((i, name));
                    true
                }
                Some(j) if std::mem::replace(&mut self.seen[j], true) => {
                    self.judge.cell_problem(j, "appears twice in the object")
                }
                Some(j) => self.cell(j, value),
            };
            if !go_on {
                return;
            }
        }
        if members.len() == strangers.len() {
            return self.judge.row_problem("holds none of the declared columns");
        }
        for (i, name) in strangers.into_iter().take(self.judge.limits().problems) {
            let missing = self.judge.names().into_iter().zip(&self.seen).filter(|(_, seen)| !**seen);
            let reason = unknown(&format!("member {} of the object", i + 1), name, missing.map(|(name, _)| name));
            self.judge.row_problem(reason);
        }
        for j in 0..self.seen.len() {
            if !self.seen[j] && !self.judge.cell(j, b"") {
                return;
            }
        }
    }

    /// Judges a value; says whether it is worth going on.
    fn cell(&mut self, j: usize, value: &RawValue) -> bool {
        let text = value.get();
        let cell: Cow<'_, str> = match text.as_bytes() {
            [b'n', ..] => Cow::Borrowed(""),
            [b'{' | b'[', ..] => return self.judge.cell_problem(j, "is an object or a list: a cell is one value"),
            [b'"', within @ .., b'"'] if !within.contains(&b'\\') => {
                Cow::Borrowed(text.get(1..text.len() - 1).unwrap_or_default())
            }
            [b'"', ..] => match serde_json::from_str::<String>(text) {
                Ok(text) => Cow::Owned(text),
                Err(_) => return self.judge.cell_problem(j, "holds an escape that stands for no character"),
            },
            _ => Cow::Borrowed(text),
        };
        if j == self.judge.person() {
            self.person.clear();
            self.person.extend_from_slice(cell.as_bytes());
            return self.judge.cell(j, cell.as_bytes());
        }
        let code = self.judge.code(j, cell.as_bytes());
        let code = match code {
            Err(Fault::Cell(CellFault::Category)) if !text.starts_with('"') => {
                self.plain_number(j, text).ok_or(Fault::Cell(CellFault::Category))
            }
            code => code,
        };
        self.judge.put(j, code)
    }

    /// The code of a category that is a number, which may be written with zeros behind the point.
    fn plain_number(&self, j: usize, text: &str) -> Option<Code> {
        let mut plain = String::new();
        Decimal::read(text.as_bytes())?.shortest().write(&mut plain);
        self.judge.code(j, plain.as_bytes()).ok()
    }
}

/// The members of an object as they are written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
