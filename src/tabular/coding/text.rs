//! The text codec: a row as a sentence, `age is 39, workclass is Private`, as the published method writes
//! it (Afonja et al. 2025, section 4), in the declared order with the target last.
//!
//! Names and separators are the same in every row: they are fed to the model and never predicted. A column
//! with few values is a tree of their tokens; a wider grid is written character by character
//! ([`Digits`]). A value that another one goes on from (`Some`, `Some-college`) is closed by the separator
//! after it, which is then predicted. A missing cell is a question mark, or as many as no category is.

use super::compact::NARROW;
use super::cursor::{At, Cursor, Next};
use super::digits::{Characters, Digits};
use super::sets::Sets;
use super::trie::{Step, Trie};
use crate::tabular::column::{Code, Column, Domain, MISSING};
use crate::tabular::grid::Grid;
use crate::tabular::schema::Schema;

/// A tokenizer: from text to token ids.
pub type Words<'a> = &'a dyn Fn(&str) -> Vec<u32>;

/// Rows to sentences and back, for one schema and one tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    columns: Vec<Written>,
    characters: Option<Characters>,
    sets: Vec<Vec<u32>>,
    vocabulary: usize,
}

/// How one column is written.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    /// The column's index in the schema.
    index: usize,
    /// Tokens before the value.
    lead: Vec<u32>,
    values: Values,
    /// What closes a value that another one goes on from, and whether it is the first token of what
    /// follows.
    closing: (u32, bool),
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    Few(Trie),
    Wide(Digits),
}

/// Why a schema cannot be written with a tokenizer. Names columns, which are public, and no cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Wide grids are written by single characters.
    #[error("the model's tokenizer has not one token for each digit, sign and point, which wide ranges need")]
    Characters,
    /// Two values of a column have the same tokens, or a value has none.
    #[error("the model's tokenizer cannot tell the values of column \"{0}\" apart")]
    Alike(String),
    /// A name or a category holds a token with a meaning of its own.
    #[error("column \"{0}\" holds text that the model's tokenizer reads as a control token")]
    Control(String),
}

/// Grids of at most this many values are written as they are, wider ones in a fixed width.
const FEW: u32 = 5 * NARROW;

impl Text {
    /// The text codec of a schema: columns in declared order, except that the target comes last. `end` is
    /// the token that stands for the end of a text, which no text holds.
    ///
    /// # Errors
    /// [`TextError`] when the tokenizer does not fit the schema.
    pub fn new(schema: &Schema, words: Words<'_>, end: u32, vocabulary: usize) -> Result<Self, TextError> {
        let mut sets = Sets::default();
        let wide = |column: &Column| matches!(&column.domain, Domain::Grid(grid) if grid.count() > FEW);
        let any = schema.columns().iter().any(wide);
        let characters = any.then(|| Characters::new(words, &mut sets)).transpose()?;
        let mut columns = Vec::with_capacity(schema.width());
        for (i, index) in schema.order().enumerate() {
            let column = &schema.columns()[index];
            let separator = if i == 0 { "" } else { ", " };
            let values = if wide(column) { None } else { Some(few(column, words, end)?) };
            let gap = if values.is_some() { "" } else { " " };
            let lead = words(&format!("{separator}{} is{gap}", column.name));
            if lead.contains(&end) {
                return Err(TextError::Control(column.name.clone()));
            }
            let values = match (values, &column.domain) {
                (None, Domain::Grid(grid)) => Values::Wide(Digits::new(grid.clone(), column.nullable)),
                (values, _) => Values::Few(values.ok_or_else(|| TextError::Alike(column.name.clone()))?),
            };
            columns.push(Written { index, lead, values, closing: (end, false) });
        }
        for i in 0..columns.len() {
            let next = columns.get(i + 1).and_then(|next| next.lead.first().copied());
            if let Values::Few(trie) = &mut columns[i].values {
                let separator = next.filter(|&token| !trie.goes_on_with(token));
                let closing = separator.unwrap_or(end);
                trie.close(closing, &mut sets);
                columns[i].closing = (closing, separator.is_some());
            }
        }
        Ok(Self { columns, characters, sets: sets.into_vec(), vocabulary })
    }

    /// The sets that places choose from.
    #[must_use]
    pub fn sets(&self) -> &[Vec<u32>] {
        &self.sets
    }

    /// Token ids of the tokenizer's model.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Columns of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The most tokens of a row.
    #[must_use]
    pub fn longest(&self) -> usize {
        let of = |column: &Written| match &column.values {
            Values::Few(trie) => column.lead.len() + trie.longest(!column.closing.1),
            Values::Wide(digits) => column.lead.len() + digits.width(),
        };
        self.columns.iter().map(of).sum()
    }

    /// Tokens of a row.
    #[must_use]
    pub fn length(&self, row: &[Code]) -> usize {
        let of = |column: &Written| {
            let code = row[column.index];
            let value = match &column.values {
                Values::Few(trie) => trie.path(code).len() + usize::from(!column.closing.1 && trie.closes(code)),
                Values::Wide(digits) => digits.length(code),
            };
            column.lead.len() + value
        };
        self.columns.iter().map(of).sum()
    }

    /// Writes a row of codes: its tokens, and for each the set that it is chosen from, or `none`.
    pub(super) fn write(&self, row: &[Code], none: u32, tokens: &mut [u32], choices: &mut [u32]) {
        let mut cursor = Cursor::new(self.width());
        for (token, choice) in tokens.iter_mut().zip(choices) {
            (*token, *choice) = match self.next(&cursor) {
                Next::Forced(token) => (token, none),
                Next::Choice(set) => {
                    let code = self.column(cursor.column).map_or(0, |column| row[column]);
                    (self.toward(&cursor, code).unwrap_or_default(), set)
                }
                Next::End => return,
            };
            self.take(&mut cursor, *token);
        }
    }

    /// The column, in the schema, that position `i` of the order of writing is about.
    pub(super) fn column(&self, i: usize) -> Option<usize> {
        self.columns.get(i).map(|column| column.index)
    }

    /// What comes next.
    pub(super) fn next(&self, cursor: &Cursor) -> Next {
        let Some(column) = self.columns.get(cursor.column) else { return Next::End };
        if let At::Lead(written) = cursor.at
            && let Some(&token) = column.lead.get(written)
        {
            return Next::Forced(token);
        }
        let options = match (&column.values, self.inside(column, cursor.at)) {
            (Values::Few(trie), At::Node { node, .. }) => trie.options(node),
            (Values::Wide(digits), At::Characters { low, high, written }) => match &self.characters {
                Some(characters) => digits.options(characters, low..high, written),
                None => return Next::End,
            },
            _ => return Next::End,
        };
        options.map_or_else(Next::Forced, Next::Choice)
    }

    /// The place in a column once its lead is written.
    fn inside(&self, column: &Written, at: At) -> At {
        match (at, &column.values) {
            (At::Lead(_), Values::Few(_)) => At::Node { node: 0, depth: 0 },
            (At::Lead(_), Values::Wide(digits)) => {
                At::Characters { low: digits.all().start, high: digits.all().end, written: 0 }
            }
            _ => at,
        }
    }

    /// The option that leads on to a code, after the lead.
    pub(super) fn toward(&self, cursor: &Cursor, code: Code) -> Option<u32> {
        let column = self.columns.get(cursor.column)?;
        match (&column.values, self.inside(column, cursor.at)) {
            (Values::Few(trie), At::Node { depth, .. }) => Some(trie.toward(depth, code)),
            (Values::Wide(digits), At::Characters { written, .. }) => {
                Some(digits.toward(self.characters.as_ref()?, written, code))
            }
            _ => None,
        }
    }

    /// The option that leads to a missing cell and nowhere else.
    pub(super) fn barred(&self, cursor: &Cursor) -> Option<u32> {
        let column = self.columns.get(cursor.column)?;
        match (&column.values, self.inside(column, cursor.at)) {
            (Values::Few(trie), At::Node { node, .. }) => trie.barred(node),
            (Values::Wide(digits), At::Characters { written, .. }) => digits.barred(self.characters.as_ref()?, written),
            _ => None,
        }
    }

    /// Writes a token.
    pub(super) fn take(&self, cursor: &mut Cursor, token: u32) {
        let Some(column) = self.columns.get(cursor.column) else { return };
        if let At::Lead(written) = cursor.at
            && written < column.lead.len()
        {
            cursor.at = At::Lead(written + 1);
            return;
        }
        match (&column.values, self.inside(column, cursor.at)) {
            (Values::Few(trie), At::Node { node, depth }) => match trie.follow(node, token) {
                Step::Node(node) => cursor.at = At::Node { node, depth: depth + 1 },
                Step::Value(code) => cursor.finish(column.index, code),
                Step::Closed(code) => {
                    cursor.finish(column.index, code);
                    cursor.at = At::Lead(usize::from(column.closing.1));
                }
            },
            (Values::Wide(digits), At::Characters { low, high, written }) => {
                let left = self.characters.as_ref().and_then(|c| digits.follow(c, low..high, written, token));
                match left {
                    None => cursor.finish(column.index, MISSING),
                    Some(left) if written + 1 == digits.width() => cursor.finish(column.index, left.start),
                    Some(left) => {
                        cursor.at = At::Characters { low: left.start, high: left.end, written: written + 1 };
                    }
                }
            }
            _ => {}
        }
    }
}

/// The tree of a column with few values.
fn few(column: &Column, words: Words<'_>, end: u32) -> Result<Trie, TextError> {
    let texts: Vec<String> = match &column.domain {
        Domain::Categories(names) => names.clone(),
        Domain::Grid(grid) => (0..Grid::count(grid)).map(|code| grid.text(code)).collect(),
    };
    let missing = column.nullable.then(|| {
        let marks = (1..).map(|n| "?".repeat(n));
        marks.into_iter().find(|mark| !texts.contains(mark)).unwrap_or_default()
    });
    let tokens = |text: &String| words(&format!(" {text}"));
    let values: Vec<Vec<u32>> = texts.iter().map(tokens).collect();
    let missing = missing.as_ref().map(tokens);
    if values.iter().chain(&missing).any(|value| value.contains(&end)) {
        return Err(TextError::Control(column.name.clone()));
    }
    Trie::new(values, missing).ok_or_else(|| TextError::Alike(column.name.clone()))
}
