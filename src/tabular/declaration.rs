//! A declaration in JSON, to and from a [`Schema`]. Everything in it is public, so that messages
//! may name what they found.
//!
//! ```json
//! {"columns": [
//!    {"name": "age", "type": "integer", "min": 17, "max": 90},
//!    {"name": "weight", "type": "number", "min": 0, "max": 300, "step": 0.1},
//!    {"name": "ward", "type": "categorical", "categories": ["A", "B"], "nullable": true},
//!    {"name": "admitted", "type": "datetime", "min": "2020-01-01", "max": "2026-12-31", "step": "1d"}],
//!  "target": "ward", "positive": "A"}
//! ```
//!
//! - `integer`: `step` 1 unless given. `number`: unless given, `step` is the power of ten at or
//!   below a millionth of the range. Numbers are rounded to the step.
//! - `datetime`: `step` `1d` unless given, else a whole number of `d`, `h`, `m` or `s`. When both
//!   ends and the step are whole days, cells are days (`2026-11-23`), else moments in UTC
//!   (`2026-11-23T15:56:00Z`); a `max` that is a day includes its hours.
//! - `boolean`: `false` and `true`, which a table may spell in upper or lower case, as `t`, `yes`, `y` or `1` and their
//!   opposites.
//! - `missing` of a nullable column, or of the table for all nullable ones: spellings of a missing cell besides the empty one,
//!   `["NA", "?"]`.
//! - `rules` bind the cells of a row to each other, and say nothing where one that they compare or add is missing:
//!   `{"type": "order", "columns": ["admitted", "left"]}` (with `"strict": true` for less than),
//!   `{"type": "sum", "total": "costs", "parts": ["care", "drugs"]}`,
//!   `{"type": "implies", "when": {"column": "age", "max": 15}, "then": {"column": "spouse", "in": [null]}}`,
//!   `{"type": "combinations", "columns": ["city", "state"], "allowed": [["Reno", "NV"]]}` (or `forbidden`).
//! - `{"type": "numeric", "integer": true}` is an `integer`, `numeric` alone a `number`.
//! - Keys without a meaning are ignored and listed.

use serde_json::{Map, Value, json};

use super::column::{Code, Column, Domain};
use super::declared_column;
use super::declared_rule;
use super::fields::Fields;
use super::rules::MAX_RULES;
use super::schema::{MAX_COLUMNS, Schema, SchemaError};

/// Most entries in the list of ignored keys.
const MAX_IGNORED: usize = 50;

/// What a JSON declaration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The checked columns.
    pub schema: Schema,
    /// Keys that were understood by nobody: `columns[2].edges`, or `columns[*].edges` for one that
    /// stands in more than three columns. At most 50.
    pub ignored: Vec<String>,
}

impl Declaration {
    /// Reads a declaration.
    ///
    /// # Errors
    /// [`SchemaError`] for the first fault: where it is and how to mend it.
    pub fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let mut fields = Fields::of(value, "schema")?;
        let _ = fields.take("name");
        let list = fields.list("columns")?.filter(|list| !list.is_empty());
        let list = list.ok_or_else(|| fields.error("needs columns, a list with every column of the table"))?;
        if list.len() > MAX_COLUMNS {
            return Err(SchemaError::new("columns", format!("at most {MAX_COLUMNS} columns can be declared")));
        }
        let everywhere = declared_column::spellings(&mut fields)?;
        let (mut columns, mut unknown, mut missing) = (Vec::with_capacity(list.len()), Vec::new(), Vec::new());
        for (i, value) in list.iter().enumerate() {
            let declared = declared_column::read(i, value)?;
            let common = if declared.column.nullable { everywhere.as_slice() } else { &[] };
            missing.push([declared.missing.as_slice(), common].concat());
            columns.push(declared.column);
            unknown.extend(declared.ignored.into_iter().map(|key| (key, i)));
        }
        let target = target(&mut fields, &columns)?;
        let positive = positive(&mut fields, target.map(|t| &columns[t]))?;
        let (mut rules, mut idle) = (Vec::new(), Vec::new());
        for (i, value) in fields.list("rules")?.unwrap_or_default().iter().enumerate().take(MAX_RULES + 1) {
            let declared = declared_rule::read(i, value, &columns)?;
            rules.push(declared.rule);
            idle.extend(declared.ignored.iter().map(|key| format!("rules[{i}].{}", shown(key))));
        }
        let mut ignored: Vec<String> = fields.left().map(shown).collect();
        ignored.extend(ignored_keys(unknown));
        ignored.append(&mut idle);
        ignored.truncate(MAX_IGNORED);
        let schema = Schema::new(columns, target, positive)?.with_missing(missing)?.with_rules(rules)?;
        Ok(Self { schema, ignored })
    }
}

impl Schema {
    /// The declaration that stands for this schema, with every default written out:
    /// `Declaration::from_json(&schema.to_json())` gives the schema again.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let columns: Vec<Value> = self
            .columns()
            .iter()
            .zip(self.missing())
            .map(|(column, missing)| declared_column::write(column, missing))
            .collect();
        let mut map = Map::new();
        map.insert("columns".into(), json!(columns));
        if let Some(target) = self.target().map(|t| &self.columns()[t]) {
            map.insert("target".into(), json!(target.name));
            if let Some(code) = self.positive() {
                map.insert("positive".into(), json!(target.text(code)));
            }
        }
        if !self.rules().is_empty() {
            let rules = self.rules().list().iter().map(|rule| declared_rule::write(rule, self.columns()));
            map.insert("rules".into(), rules.collect());
        }
        Value::Object(map)
    }
}

fn target(fields: &mut Fields<'_>, columns: &[Column]) -> Result<Option<usize>, SchemaError> {
    let Some(name) = fields.text("target")? else { return Ok(None) };
    let index = columns.iter().position(|column| column.name == name);
    index.map(Some).ok_or_else(|| SchemaError::new("target", "must be the name of a declared column"))
}

fn positive(fields: &mut Fields<'_>, target: Option<&Column>) -> Result<Option<Code>, SchemaError> {
    let Some(value) = fields.take("positive") else { return Ok(None) };
    let fault = |reason: &str| SchemaError::new("positive", reason);
    let column = target.ok_or_else(|| fault("needs a target, of which it is a value"))?;
    let Domain::Categories(names) = &column.domain else {
        return Err(fault("needs a categorical target: drop it, or declare the target's categories"));
    };
    let name = declared_column::category(value).map_err(|reason| fault(&reason))?;
    let code = names.iter().position(|category| *category == name);
    code.map(|code| Some(code as Code)).ok_or_else(|| fault("must be one of the target's categories"))
}

/// One entry for each key, in order of first appearance.
fn ignored_keys(mut unknown: Vec<(String, usize)>) -> Vec<String> {
    unknown.sort();
    let mut entries: Vec<(usize, String)> = Vec::new();
    for group in unknown.chunk_by(|a, b| a.0 == b.0) {
        let key = shown(&group[0].0);
        match group.len() {
            1..=3 => entries.extend(group.iter().map(|(_, i)| (*i, format!("columns[{i}].{key}")))),
            _ => entries.push((group[0].1, format!("columns[*].{key}"))),
        }
    }
    entries.sort();
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// A key at a length fit for a message.
fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(64).collect()
}
