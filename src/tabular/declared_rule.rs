//! One rule of a declaration in JSON, to and from a [`RowRule`].

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::column::{Code, Column, Domain, MISSING};
use super::decimal::Decimal;
use super::declared_column;
use super::fields::{Fields, kind};
use super::grid::{Grid, GridKind};
use super::rule::{Among, RowRule};
use super::schema::SchemaError;

/// A rule as it was declared.
pub(super) struct Declared {
    pub(super) rule: RowRule,
    /// Keys without a meaning, after the rule's place: `when.colum`.
    pub(super) ignored: Vec<String>,
}

/// Reads rule `i` of a declaration over these columns.
pub(super) fn read(i: usize, value: &Value, columns: &[Column]) -> Result<Declared, SchemaError> {
    let mut fields = Fields::of(value, format!("rules[{i}]"))?;
    let mut ignored = Vec::new();
    let rule = match fields.text("type")? {
        Some("order") => {
            RowRule::Order { columns: named(&mut fields, "columns", columns)?, strict: fields.flag("strict")? }
        }
        Some("sum") => {
            let name = fields.text("total")?.ok_or_else(|| fields.error("needs a total, the name of a column"))?;
            RowRule::Sum { total: index(&fields, name, columns)?, parts: named(&mut fields, "parts", columns)? }
        }
        Some("implies") => {
            let mut side = |key| among(&mut fields, (i, key), columns, &mut ignored);
            RowRule::Implies { when: side("when")?, then: side("then")? }
        }
        Some("combinations") => combinations(&mut fields, columns)?,
        _ => return Err(fields.error("type must be order, sum, implies or combinations")),
    };
    ignored.extend(fields.left().map(str::to_owned));
    Ok(Declared { rule, ignored })
}

/// The canonical JSON of a rule.
pub(super) fn write(rule: &RowRule, columns: &[Column]) -> Value {
    let names = |of: &[usize]| of.iter().map(|&j| columns[j].name.as_str()).collect::<Vec<_>>();
    match rule {
        RowRule::Order { columns: of, strict: false } => json!({"type": "order", "columns": names(of)}),
        RowRule::Order { columns: of, strict: true } => json!({"type": "order", "columns": names(of), "strict": true}),
        RowRule::Sum { total, parts } => json!({"type": "sum", "total": columns[*total].name, "parts": names(parts)}),
        RowRule::Implies { when, then } => {
            json!({"type": "implies", "when": some(when, columns), "then": some(then, columns)})
        }
        RowRule::Combinations { columns: of, listed, allowed } => {
            let cells = |row: &Vec<Code>| of.iter().zip(row).map(|(&j, &code)| cell(&columns[j], code)).collect();
            let listed: Vec<Vec<Value>> = listed.iter().map(cells).collect();
            let key = if *allowed { "allowed" } else { "forbidden" };
            json!({"type": "combinations", "columns": names(of), key: listed})
        }
    }
}

/// The column of this name.
fn index(fields: &Fields<'_>, name: &str, columns: &[Column]) -> Result<usize, SchemaError> {
    let found = columns.iter().position(|column| column.name == name);
    found.ok_or_else(|| fields.error("names a column that is not declared"))
}

/// A list of names of columns.
fn named(fields: &mut Fields<'_>, key: &'static str, columns: &[Column]) -> Result<Vec<usize>, SchemaError> {
    let list = fields.list(key)?.ok_or_else(|| fields.error(format!("needs {key}, a list of names of columns")))?;
    let one = |value: &Value| match value {
        Value::String(name) => index(fields, name, columns),
        other => Err(fields.error(format!("{key} must be names of columns, not {}", kind(other)))),
    };
    list.iter().map(one).collect()
}

fn combinations(fields: &mut Fields<'_>, columns: &[Column]) -> Result<RowRule, SchemaError> {
    let of = named(fields, "columns", columns)?;
    let (rows, allowed) = match (fields.list("allowed")?, fields.list("forbidden")?) {
        (Some(rows), None) => (rows, true),
        (None, Some(rows)) => (rows, false),
        _ => return Err(fields.error("needs either allowed or forbidden, a list of lists with a cell for each column")),
    };
    let mut listed = Vec::with_capacity(rows.len());
    for row in rows {
        let cells = row.as_array().filter(|cells| cells.len() == of.len());
        let cells = cells.ok_or_else(|| fields.error("every combination is a list with one cell for each column"))?;
        let codes = cells.iter().zip(&of).map(|(value, &j)| code(fields, &columns[j], value));
        listed.push(codes.collect::<Result<Vec<Code>, _>>()?);
    }
    listed.sort_unstable();
    listed.dedup();
    Ok(RowRule::Combinations { columns: of, listed, allowed })
}

/// Some cells of a column: `{"column": "age", "max": 15}`, `{"column": "status", "in": ["child", null]}`.
fn among(
    fields: &mut Fields<'_>,
    (i, key): (usize, &'static str),
    columns: &[Column],
    ignored: &mut Vec<String>,
) -> Result<Among, SchemaError> {
    let value = fields.take(key).ok_or_else(|| fields.error(format!("needs {key}, with a column and its cells")))?;
    let mut some = Fields::of(value, format!("rules[{i}].{key}"))?;
    let name = some.text("column")?.ok_or_else(|| some.error("needs a column"))?;
    let column = index(&some, name, columns)?;
    let of = &columns[column];
    let (min, max) = (some.take("min"), some.take("max"));
    let (mut codes, mut missing) = (Vec::new(), false);
    match (some.list("in")?, min, max) {
        (Some(list), None, None) if !list.is_empty() => {
            for value in list {
                match code(&some, of, value)? {
                    MISSING => missing = true,
                    code => codes.push(code),
                }
            }
        }
        (None, min, max) if min.is_some() || max.is_some() => {
            if !matches!(of.domain, Domain::Grid(_)) {
                return Err(some.error("min and max are for numbers and times: list the categories with in"));
            }
            let end = |value: Option<&Value>, otherwise| value.map_or(Ok(otherwise), |value| code(&some, of, value));
            let (first, last) = (end(min, 0)?, end(max, of.domain.len() as Code - 1)?);
            if first > last {
                return Err(some.error("min is above max"));
            }
            ignored.extend(some.left().map(|left| format!("{key}.{left}")));
            return Ok(Among { column, codes: vec![first..=last], missing: false });
        }
        _ => return Err(some.error("needs either in, a list of cells that is not empty, or min or max")),
    }
    ignored.extend(some.left().map(|left| format!("{key}.{left}")));
    Ok(Among { column, codes: ranges(codes), missing })
}

/// Codes as ranges, in ascending order.
fn ranges(mut codes: Vec<Code>) -> Vec<RangeInclusive<Code>> {
    codes.sort_unstable();
    codes.dedup();
    codes.chunk_by(|a, b| a + 1 == *b).map(|run| run[0]..=run[run.len() - 1]).collect()
}

/// The code of a cell in JSON; `null` is a missing one.
fn code(fields: &Fields<'_>, column: &Column, value: &Value) -> Result<Code, SchemaError> {
    if value.is_null() {
        return match column.nullable {
            true => Ok(MISSING),
            false => Err(fields.error(format!("{} is never missing: null is none of its cells", column.name))),
        };
    }
    let text = declared_column::category(value).map_err(|reason| fields.error(reason))?;
    let code = match &column.domain {
        Domain::Categories(names) => names.iter().position(|name| *name == text).map(|code| code as Code),
        Domain::Grid(grid) => grid.code(&text).ok().filter(|&code| is_exact(grid, code, &text)),
    };
    code.ok_or_else(|| fields.error(format!("names a cell that is no value of {}", column.name)))
}

/// Whether a text says the very number behind a code; times may say it in any way that is read.
fn is_exact(grid: &Grid, code: Code, text: &str) -> bool {
    let number = Decimal { mantissa: grid.units(code), scale: grid.first().scale }.shortest();
    match grid.kind() {
        GridKind::Date | GridKind::Moment => true,
        GridKind::Integer | GridKind::Decimal => Decimal::read(text.as_bytes()).map(Decimal::shortest) == Some(number),
    }
}

/// The JSON of some cells of a column.
fn some(among: &Among, columns: &[Column]) -> Value {
    let column = &columns[among.column];
    let mut map = Map::new();
    map.insert("column".into(), json!(column.name));
    match (&among.codes[..], &column.domain) {
        ([range], Domain::Grid(_)) if !among.missing => {
            map.insert("min".into(), cell(column, *range.start()));
            map.insert("max".into(), cell(column, *range.end()));
        }
        (ranges, _) => {
            let codes = ranges.iter().cloned().flatten().chain(among.missing.then_some(MISSING));
            map.insert("in".into(), codes.map(|code| cell(column, code)).collect());
        }
    }
    Value::Object(map)
}

/// The JSON of a cell: `null`, a text, or a number where its text is one.
fn cell(column: &Column, code: Code) -> Value {
    match &column.domain {
        _ if code == MISSING => Value::Null,
        Domain::Grid(grid) if matches!(grid.kind(), GridKind::Integer) => json!(grid.units(code)),
        _ => json!(column.text(code)),
    }
}
