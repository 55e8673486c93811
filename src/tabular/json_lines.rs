//! Codes to JSON, an object a line: numbers as numbers, truth values as such, a missing cell as null.

use serde_json::Value;

use super::column::{Code, Column, Domain, MISSING};
use super::grid::GridKind;
use super::schema::Schema;
use super::table::Table;

/// The lines of a table, each with its end.
pub fn json_lines<'a>(schema: &'a Schema, table: &'a Table) -> impl Iterator<Item = String> + 'a {
    let names: Vec<String> = schema.columns().iter().map(|column| quoted(&column.name)).collect();
    table.iter().map(move |row| {
        let cells = names.iter().zip(schema.columns()).zip(row);
        let members: Vec<String> =
            cells.map(|((name, column), &code)| format!("{name}:{}", value(column, code))).collect();
        format!("{{{}}}\n", members.join(","))
    })
}

/// A cell as JSON. Numbers keep all their digits: they are never read as doubles.
fn value(column: &Column, code: Code) -> String {
    match &column.domain {
        _ if code == MISSING => "null".into(),
        Domain::Grid(grid) if matches!(grid.kind(), GridKind::Integer | GridKind::Decimal) => grid.text(code),
        Domain::Categories(_) if column.is_boolean() => column.text(code),
        Domain::Grid(_) | Domain::Categories(_) => quoted(&column.text(code)),
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
