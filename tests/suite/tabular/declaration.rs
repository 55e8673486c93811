//! Declarations: what is accepted, what is ignored, and what each fault is called.

use dp2stage::tabular::{Declaration, Domain, Grid, GridKind, MISSING, Packing, Schema, Upload, UploadLimits};
use serde_json::{Value, json};

fn column(column: Value) -> Result<Declaration, String> {
    declare(json!({"columns": [column]}))
}

fn declare(value: Value) -> Result<Declaration, String> {
    Declaration::from_json(&value).map_err(|error| error.to_string())
}

fn grid(value: Value) -> Grid {
    match &column(value).unwrap().schema.columns()[0].domain {
        Domain::Grid(grid) => grid.clone(),
        Domain::Categories(_) => panic!("categories"),
    }
}

#[test]
fn the_example_of_the_documentation_is_understood() {
    let declaration = declare(json!({"columns": [
        {"name": "age", "type": "integer", "min": 17, "max": 90},
        {"name": "weight", "type": "number", "min": 0, "max": 300, "step": 0.1},
        {"name": "ward", "type": "categorical", "categories": ["A", "B"], "nullable": true},
        {"name": "admitted", "type": "datetime", "min": "2020-01-01", "max": "2026-12-31", "step": "1d"}],
      "target": "ward", "positive": "B"}));
    let Declaration { schema, ignored } = declaration.unwrap();
    let columns = schema.columns();
    assert_eq!(columns.iter().map(|c| c.domain.len()).collect::<Vec<_>>(), [74, 3001, 2, 2557]);
    assert_eq!((schema.target(), schema.positive(), ignored.len()), (Some(2), Some(1), 0));
    assert!(columns[2].holds(MISSING) && !columns[0].holds(MISSING));
    assert_eq!([0, 1, 2, 3].map(|j| columns[j].text(1)), ["18", "0.1", "B", "2020-01-02"]);
}

#[test]
fn the_other_dialect_is_understood_and_unknown_keys_are_listed() {
    let Declaration { schema, ignored } =
        declare(json!({"name": "t", "target": "d", "positive": 1, "version": 3, "columns": [
        {"name": "a", "type": "numeric", "min": 17.0, "max": 90, "integer": true, "edges": [1, 2], "unit": "years"},
        {"name": "b", "type": "numeric", "min": 0, "max": 1, "integer": false, "edges": []},
        {"name": "c", "type": "integer", "min": 0, "max": 1, "integer": true, "edges": null, "step": null},
        {"name": "d", "type": "categorical", "categories": [0, 1, 2.5, true, "x"], "edges": 1, "min": 3}]}))
        .unwrap();
    let columns = schema.columns();
    assert_eq!(columns[0].domain, Domain::Grid(Grid::new(GridKind::Integer, 17, 90, 1, 0).unwrap()));
    assert_eq!(columns[1].domain.len(), 1_000_001);
    assert_eq!(columns[3].domain, Domain::Categories(["0", "1", "2.5", "true", "x"].map(String::from).to_vec()));
    assert_eq!(schema.positive(), Some(1));
    let expected = ["version", "columns[*].edges", "columns[0].unit", "columns[2].integer", "columns[3].min"];
    assert_eq!(ignored, expected);
}

#[test]
fn ignored_keys_are_bounded() {
    let mut value = json!({"columns": [{"name": "a", "type": "integer", "min": 0, "max": 1}]});
    for i in 0..1000 {
        value[format!("{i}{}", "k".repeat(1000))] = json!(1);
    }
    let ignored = declare(value).unwrap().ignored;
    assert!(ignored.len() == 50 && ignored.iter().all(|key| key.len() <= 64));
}

#[test]
fn the_default_step_of_numbers_is_a_power_of_ten_below_a_millionth_of_the_range() {
    for (min, max, count) in [
        (json!(0), json!(300), 3_000_001),
        (json!(0), json!(1), 1_000_001),
        (json!(-0.5), json!(0.499), 9_990_001),
        (json!(0), json!(1e9), 1_000_001),
        (json!(0), json!(9.99e8), 9_990_001),
        (json!(5.25), json!(5.25), 1),
        (json!(0), json!(0.000001), 1_000_001),
    ] {
        let value = json!({"name": "x", "type": "number", "min": min, "max": max});
        assert_eq!(grid(value.clone()).count(), count, "{value}");
    }
}

#[test]
fn datetimes_are_days_when_everything_is_whole_days() {
    let time = |min: &str, max: &str, step: Option<&str>| {
        grid(json!({"name": "x", "type": "datetime", "min": min, "max": max, "step": step}))
    };
    let days = time("2020-01-01", "2020-01-31", None);
    assert_eq!((days.kind(), days.count()), (GridKind::Date, 31));
    assert_eq!(time("2020-01-01T00:00:00Z", "2020-01-31 00:00", Some("1d")), days);
    assert_eq!(time("2020-01-01", "2020-01-31", Some("7d")).count(), 5);
    let hours = time("2020-01-01", "2020-01-31", Some("1h"));
    assert_eq!((hours.kind(), hours.count()), (GridKind::Moment, 31 * 24));
    assert_eq!(hours.text(31 * 24 - 1), "2020-01-31T23:00:00Z");
    assert_eq!(time("2020-01-01", "2020-01-31T00:00:00Z", Some("1h")).count(), 30 * 24 + 1);
    assert_eq!(time("2020-01-01", "2020-01-01", Some("15m")).count(), 96);
    assert_eq!(time("2020-01-01", "2020-01-01", Some("1s")).count(), 86_400);
    let early = time("2020-01-01T06:00:00Z", "2020-01-31", Some("1d"));
    assert_eq!((early.kind(), early.count()), (GridKind::Moment, 31));
}

#[test]
fn every_fault_is_named_with_its_place_and_mend() {
    let long = "x".repeat(4097);
    let date = |min: Value, max: Value, step: Value| json!({"name": "t", "type": "datetime", "min": min, "max": max, "step": step});
    let number = |kind: &str, min: Value, max: Value, step: Value| json!({"name": "n", "type": kind, "min": min, "max": max, "step": step});
    let names = |list: Value| json!({"name": "c", "type": "categorical", "categories": list});
    let faults = [
        (json!(3), "columns[0]: must be a JSON object, not a number"),
        (json!({}), "columns[0]: needs a name"),
        (json!({"name": 3}), "columns[0]: name must be a string, not a number"),
        (json!({"name": "a"}), "columns[0] (a): type must be categorical, boolean, integer, number or datetime"),
        (json!({"name": "a", "type": "float"}), "columns[0] (a): type must be"),
        (json!({"name": "a", "type": 3}), "type must be a string"),
        (json!({"name": "", "type": "categorical", "categories": ["a"]}), "columns[0]: a column needs a name"),
        (json!({"name": " \t", "type": "categorical", "categories": ["a"]}), "a column needs a name"),
        (json!({"name": "a\u{0}b", "type": "categorical", "categories": ["a"]}), "(ab): the name holds a NUL"),
        (json!({"name": long, "type": "categorical", "categories": ["a"]}), "longer than 512 bytes"),
        (json!({"name": "a", "nullable": 1, "type": "categorical"}), "nullable must be true or false, not a number"),
        (names(json!(null)), "columns[0] (c): needs categories, a list"),
        (names(json!([])), "needs categories"),
        (names(json!("a,b")), "categories must be a list, not a string"),
        (names(json!(["a", null])), "null is not a category: declare nullable"),
        (names(json!(["a", ["b"]])), "a category must be a string, not a list"),
        (names(json!(["a", "b", "a"])), "a category is listed twice"),
        (names(json!([1, "1"])), "a category is listed twice"),
        (names(json!(["a\u{0}"])), "a category holds a NUL"),
        (names(json!([long])), "longer than 4096 bytes"),
        (json!({"name": "c", "type": "categorical", "categories": ["", "a"], "nullable": true}), "both missing and"),
        (json!({"name": "n", "type": "integer", "max": 3}), "columns[0] (n): needs min, the smallest value"),
        (json!({"name": "n", "type": "number", "min": 3}), "needs max, the largest value"),
        (number("integer", json!("1"), json!(3), json!(1)), "min must be a number without quotes, not a string"),
        (number("integer", json!(1.5), json!(3), json!(1)), "min must be a whole number"),
        (number("integer", json!(1), json!(3), json!(0.5)), "step must be a whole number"),
        (number("integer", json!(4), json!(3), json!(1)), "min is larger than max: swap them"),
        (number("integer", json!(1), json!(3), json!(0)), "step must be larger than zero"),
        (number("integer", json!(1), json!(3), json!(-1)), "step must be larger than zero"),
        (number("integer", json!(0), json!(4294967295u64), json!(1)), "declare a larger step"),
        (number("integer", json!(i64::MIN), json!(i64::MAX), json!(1)), "declare a larger step"),
        (number("integer", json!(0), json!(u64::MAX), json!(1)), "max has more than 18 digits"),
        (number("integer", json!(0), json!(1e300), json!(1)), "max has more than 18 digits"),
        (number("integer", json!(0), json!(1i64 << 54), json!(1 << 30)), "within 15 digits"),
        (number("number", json!(4), json!(3), json!(0.1)), "min is larger than max"),
        (number("number", json!(4), json!(3), json!(null)), "min is larger than max"),
        (number("number", json!(0), json!(3), json!(-0.1)), "step must be larger than zero"),
        (number("number", json!(0), json!(3), json!(0)), "step must be larger than zero"),
        (number("number", json!(0), json!(3), json!("0.1")), "step must be a number without quotes"),
        (number("number", json!(0), json!(3), json!(1e-13)), "12 digits after the point"),
        (number("number", json!(0), json!(1e6), json!(1e-12)), "declare a larger step"),
        (number("number", json!(0), json!(1e6), json!(1e-6)), "declare a larger step"),
        (date(json!(2020), json!("2021-01-01"), json!(null)), "min must be a string, not a number"),
        (date(json!("2020-13-01"), json!("2021-01-01"), json!(null)), "(t): min must be a date, 2026-11-23"),
        (date(json!("2020-01-01"), json!("01.02.2021"), json!(null)), "max must be a date"),
        (date(json!("2021-01-01"), json!("2020-01-01"), json!(null)), "min is larger than max"),
        (date(json!("2020-01-01"), json!("2021-01-01"), json!(1)), "step must be a string"),
        (date(json!("2020-01-01"), json!("2021-01-01"), json!("1w")), "step must be a duration such as 1d"),
        (date(json!("2020-01-01"), json!("2021-01-01"), json!("d")), "step must be a duration"),
        (date(json!("2020-01-01"), json!("2021-01-01"), json!("-1d")), "step must be a duration"),
        (date(json!("2020-01-01"), json!("2021-01-01"), json!("99999999999999999d")), "step must be a duration"),
        (date(json!("2020-01-01"), json!("2021-01-01"), json!("0h")), "step must be larger than zero"),
        (date(json!("0000-01-01"), json!("9999-12-31"), json!("1s")), "declare a larger step"),
    ];
    for (value, expected) in faults {
        let message = column(value.clone()).expect_err(&value.to_string());
        assert!(message.contains(expected), "{value}: {message}");
    }
}

#[test]
fn faults_of_the_whole_are_named_too() {
    let good = json!({"name": "a", "type": "categorical", "categories": ["x", "y"]});
    let whole = json!({"name": "b", "type": "integer", "min": 0, "max": 1});
    let many: Vec<Value> =
        (0..1025).map(|i| json!({"name": format!("c{i}"), "type": "integer", "min": 0, "max": 1})).collect();
    let faults = [
        (json!([]), "schema: must be a JSON object, not a list"),
        (json!({}), "schema: needs columns"),
        (json!({"columns": []}), "schema: needs columns"),
        (json!({"columns": {"a": "integer"}}), "schema: columns must be a list, not an object"),
        (json!({"columns": many}), "columns: at most 1024 columns"),
        (json!({"columns": [good, good]}), "columns[1] (a): two columns have this name"),
        (json!({"columns": [good], "target": "b"}), "target: must be the name of a declared column"),
        (json!({"columns": [good], "target": 0}), "schema: target must be a string"),
        (json!({"columns": [good], "positive": "x"}), "positive: needs a target"),
        (json!({"columns": [good], "target": "a", "positive": "z"}), "positive: must be one of"),
        (json!({"columns": [good], "target": "a", "positive": ["x"]}), "positive: a category must be"),
        (json!({"columns": [good, whole], "target": "b", "positive": 1}), "positive: needs a categorical target"),
    ];
    for (value, expected) in faults {
        let message = declare(value).expect_err(expected);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_schema_checks_itself() {
    let columns = column(json!({"name": "a", "type": "categorical", "categories": ["x", "y"]}))
        .unwrap()
        .schema
        .columns()
        .to_vec();
    assert!(Schema::new(columns.clone(), Some(0), Some(1)).is_ok());
    assert!(Schema::new(columns.clone(), Some(0), Some(2)).is_err());
    assert!(Schema::new(columns.clone(), None, Some(0)).is_err());
    assert!(Schema::new(columns.clone(), Some(1), None).is_err());
    assert!(Schema::new(Vec::new(), None, None).is_err());
}

/// The tables beside the repository, where they are there.
#[test]
fn the_tables_of_the_evaluation_are_accepted_whole() {
    for (name, rows, columns) in [("adult", 32_561, 15), ("airline", 103_594, 23)] {
        let folder = std::path::Path::new("/work/shared/data");
        let (Ok(schema), Ok(table)) = (
            std::fs::read(folder.join(format!("{name}_schema.json"))),
            std::fs::read(folder.join(format!("{name}_train.csv"))),
        ) else {
            println!("skipped: {name} is not here");
            continue;
        };
        let declaration = Declaration::from_json(&serde_json::from_slice(&schema).unwrap()).unwrap();
        assert_eq!(
            (declaration.schema.width(), &declaration.ignored[..]),
            (columns, &["columns[*].edges".to_owned()][..])
        );
        let mut upload = Upload::new(&declaration.schema, Packing::Plain, UploadLimits::default());
        upload.push(&table, &mut |_, _| {}).unwrap();
        assert_eq!(upload.finish(&mut |_, _| {}).unwrap().rows, rows);
    }
}
