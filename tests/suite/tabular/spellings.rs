//! Truth values and missing cells, as tables spell them.

use dp2stage::tabular::{Cells, Declaration, Form, MISSING, Schema};
use serde_json::{Value, json};

use super::forms::written;

fn declared(columns: Value) -> Result<Schema, String> {
    Declaration::from_json(&columns).map(|declaration| declaration.schema).map_err(|error| error.to_string())
}

#[test]
fn truth_values_are_read_in_many_spellings_and_written_in_one() {
    let schema = declared(json!({"columns": [{"name": "ill", "type": "boolean", "nullable": true}]})).unwrap();
    let cells = Cells::new(&schema);
    for (code, spellings) in [(1, "true TRUE True t T yes YES y 1"), (0, "false FALSE False f F no NO n 0")] {
        for spelling in spellings.split(' ') {
            assert_eq!(cells.code(0, spelling), Ok(code), "{spelling}");
        }
    }
    assert_eq!(cells.code(0, ""), Ok(MISSING));
    for wrong in ["2", "tru", "on", "-1", "1.5", "yes no"] {
        assert_eq!(cells.code(0, wrong), Err("is not true or false".into()), "{wrong}");
    }
    let rows = [vec![1], vec![0], vec![MISSING]];
    let text = |form| String::from_utf8(written(&schema, &rows, form, 9)).unwrap();
    assert_eq!(text(Form::Csv), "ill\ntrue\nfalse\n\"\"\n");
    assert_eq!(text(Form::JsonLines), "{\"ill\":true}\n{\"ill\":false}\n{\"ill\":null}\n");
    // The same values under names of their own are categories, and nothing else is read for them.
    let named = json!({"columns": [{"name": "ill", "type": "categorical", "categories": ["true", "false"]}]});
    let cells = Cells::new(&declared(named).unwrap());
    assert_eq!((cells.code(0, "true"), cells.code(0, "yes").is_err()), (Ok(0), true));
    assert_eq!(schema.to_json()["columns"][0], json!({"name": "ill", "type": "boolean", "nullable": true}));
}

#[test]
fn missing_cells_have_the_spellings_that_were_declared() {
    let columns = json!([
        {"name": "age", "type": "integer", "min": 0, "max": 120, "nullable": true, "missing": ["-9", " ? "]},
        {"name": "ward", "type": "categorical", "categories": ["a", "b"], "nullable": true},
        {"name": "ill", "type": "boolean"},
    ]);
    let schema = declared(json!({"columns": columns, "missing": ["NA", "", "NA"]})).unwrap();
    assert_eq!(schema.missing(), [vec!["-9".to_owned(), "?".into(), "NA".into()], vec!["NA".into()], vec![]]);
    assert_eq!(Declaration::from_json(&schema.to_json()).unwrap().schema, schema);
    let cells = Cells::new(&schema);
    for (column, text, code) in
        [(0, "-9", MISSING), (0, " NA ", MISSING), (0, "?", MISSING), (1, "NA", MISSING), (1, "a", 0)]
    {
        assert_eq!(cells.code(column, text), Ok(code), "{text}");
    }
    for (column, text) in [(1, "-9"), (1, "na"), (2, "NA"), (0, "-8")] {
        assert!(cells.code(column, text).is_err(), "{text}");
    }
    let refused = |column: Value| declared(json!({"columns": [column]})).unwrap_err();
    let cases = [
        (
            json!({"name": "a", "type": "integer", "min": 0, "max": 9, "nullable": true, "missing": ["7"]}),
            "value of the column",
        ),
        (json!({"name": "a", "type": "integer", "min": 0, "max": 9, "missing": ["NA"]}), "needs nullable"),
        (json!({"name": "a", "type": "boolean", "nullable": true, "missing": "NA"}), "must be a list"),
        (json!({"name": "a", "type": "boolean", "nullable": true, "missing": [["NA"]]}), "must be a string"),
        (json!({"name": "a", "type": "boolean", "nullable": true, "missing": ["true"]}), "value of the column"),
        (json!({"name": "a", "type": "boolean", "nullable": true, "missing": ["x".repeat(65)]}), "64 bytes"),
        (
            json!({"name": "a", "type": "boolean", "nullable": true, "missing": (2..40).collect::<Vec<_>>()}),
            "32 spellings",
        ),
    ];
    for (column, says) in cases {
        let said = refused(column);
        assert!(said.contains(says), "{says}: {said}");
    }
}
