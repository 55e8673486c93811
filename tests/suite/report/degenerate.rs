//! Tables that nobody would want a report of, and which must have one.

use dp2stage::report::{CustodianReport, Tables, custodian, utility};
use dp2stage::tabular::{Code, Column, MISSING, Schema, Table};
use serde_json::Value;

use super::tables::{categories, filled, hash, integers};

/// JSON writes what is not finite as null.
fn finite(json: &Value) -> bool {
    match json {
        Value::Null => false,
        Value::Array(items) => items.iter().all(finite),
        Value::Object(fields) => fields.values().all(finite),
        _ => true,
    }
}

/// A report of every kind of table, of every column as a target: finite, and the same when read again.
fn survives(schema: &Schema, tables: [&Table; 3], what: &str) {
    let [train, held_out, synthetic] = tables;
    let mut report = custodian(schema, train, held_out, synthetic);
    let of_all = Tables { schema, train, held_out, synthetic };
    report.utility.extend((0..schema.width().min(6)).map(|column| utility(column, of_all)));
    let json = serde_json::to_value(&report).unwrap();
    assert!(finite(&json), "{what}: {json}");
    assert_eq!(serde_json::from_value::<CustodianReport>(json).unwrap(), report, "{what}");
}

fn columns() -> Vec<Column> {
    vec![
        integers("n", 0, 99, true),
        categories("c", 4, true),
        integers("same", 5, 5, true),
        categories("wide", 500, true),
        categories("t", 2, true),
    ]
}

#[test]
fn every_degenerate_table_has_a_finite_report() {
    let schema = Schema::new(columns(), Some(4), Some(1)).unwrap();
    let some = filled(5, 60, |i, j| (hash(i, j) % [100, 4, 1, 500, 2][j]) as Code);
    let holed = filled(5, 60, |i, j| if hash(i, 9 + j).is_multiple_of(2) { MISSING } else { some.row(i)[j] });
    let constant = filled(5, 60, |_, j| [7, 1, 0, 3, 1][j]);
    let void = filled(5, 60, |_, _| MISSING);
    let one = Table::new(5, vec![50, 2, 0, 499, 0]);
    let two = Table::new(5, vec![50, 2, 0, 499, 0, 50, 2, 0, 499, 0]);
    let empty = Table::new(5, vec![]);
    let all = [
        ("some", &some),
        ("holed", &holed),
        ("constant", &constant),
        ("void", &void),
        ("one", &one),
        ("two", &two),
        ("empty", &empty),
    ];
    for (of_train, train) in all {
        for (of_synthetic, synthetic) in all {
            survives(&schema, [train, &some, synthetic], &format!("{of_train}, {of_synthetic}"));
        }
        for (of_held_out, held_out) in all {
            survives(&schema, [train, held_out, &holed], &format!("{of_train}, {of_held_out} held out"));
        }
    }
}

#[test]
fn tables_of_one_column_and_of_very_many_have_a_finite_report() {
    for column in [integers("x", 0, 9, true), categories("x", 3, true), integers("x", 2, 2, false)] {
        let values = column.domain.len() as u64;
        let schema = Schema::new(vec![column], Some(0), None).unwrap();
        let table = filled(1, 40, |i, _| (hash(i, 0) % values) as Code);
        survives(&schema, [&table, &table, &table], "one column");
    }
    let many = (0..300)
        .map(|j| if j % 2 == 0 { categories(&j.to_string(), 3, true) } else { integers(&j.to_string(), 0, 50, true) });
    let schema = Schema::new(many.collect(), Some(1), None).unwrap();
    let table = |of: usize| {
        filled(300, 40, |i, j| if hash(i + of, j).is_multiple_of(7) { MISSING } else { (hash(i + of, j) % 3) as Code })
    };
    survives(&schema, [&table(0), &table(100), &table(200)], "300 columns");
}
