//! Rules between columns: what is declared, what keeps them, what is set, and uploads that break them.

use dp2stage::tabular::{Code, Declaration, MISSING, Packing, Schema, Upload, UploadError, UploadLimits};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::support::repeats;

/// Two whole numbers, two decimals of unlike digits, two times, two categories; all but the first may be missing.
fn columns() -> Value {
    json!([
        {"name": "a", "type": "integer", "min": -5, "max": 30},
        {"name": "b", "type": "integer", "min": 0, "max": 40, "step": 2, "nullable": true},
        {"name": "c", "type": "number", "min": -1, "max": 12, "step": 0.25, "nullable": true},
        {"name": "d", "type": "number", "min": 0, "max": 50, "step": 0.25, "nullable": true},
        {"name": "from", "type": "datetime", "min": "2026-01-01", "max": "2026-01-20", "nullable": true},
        {"name": "to", "type": "datetime", "min": "2026-01-01", "max": "2026-01-21", "step": "6h", "nullable": true},
        {"name": "k", "type": "categorical", "categories": ["x", "y", "z"], "nullable": true},
        {"name": "l", "type": "boolean", "nullable": true}])
}

fn declare(rules: &Value) -> Result<Declaration, String> {
    Declaration::from_json(&json!({"columns": columns(), "rules": rules})).map_err(|error| error.to_string())
}

fn schema(rules: &Value) -> Schema {
    declare(rules).unwrap().schema
}

/// All kinds of rules.
fn every() -> Value {
    json!([
        {"type": "order", "columns": ["from", "to"], "strict": true},
        {"type": "order", "columns": ["a", "b", "d"]},
        {"type": "sum", "total": "d", "parts": ["c", "a"]},
        {"type": "implies", "when": {"column": "a", "max": 3}, "then": {"column": "k", "in": ["x", null]}},
        {"type": "implies", "when": {"column": "l", "in": [true]}, "then": {"column": "b", "in": [null]}},
        {"type": "combinations", "columns": ["k", "l"], "forbidden": [["y", false], ["z", null]]}])
}

fn random(schema: &Schema, rng: &mut StdRng) -> Vec<Code> {
    let cell = |column: &dp2stage::tabular::Column| match rng.random_range(0..8) {
        0 if column.nullable => MISSING,
        _ => rng.random_range(0..column.domain.len() as u32),
    };
    schema.columns().iter().map(cell).collect()
}

/// Whether the texts of a row keep [`every`] rule, read by themselves.
fn oracle(schema: &Schema, row: &[Code]) -> [bool; 6] {
    let text: Vec<String> = schema.columns().iter().zip(row).map(|(column, &code)| column.text(code)).collect();
    let [a, b, c, d, from, to, k, l] = &text[..] else { panic!("eight") };
    let hundredths = |text: &str| (!text.is_empty()).then(|| (text.parse::<f64>().unwrap() * 100.0).round() as i64);
    let rising: Vec<i64> = [a, b, d].into_iter().filter_map(|text| hundredths(text)).collect();
    let sum = hundredths(c).zip(hundredths(a)).map(|(c, a)| c + a);
    [
        // Days and moments in UTC are in the order of their texts, a day at its midnight.
        from.is_empty() || to.is_empty() || format!("{from}T00:00:00Z") < *to,
        rising.is_sorted(),
        sum.zip(hundredths(d)).is_none_or(|(sum, d)| sum == d),
        hundredths(a).unwrap() > 300 || k == "x" || k.is_empty(),
        l != "true" || b.is_empty(),
        !(k == "y" && l == "false" || k == "z" && l.is_empty()),
    ]
}

#[test]
fn rules_are_what_their_words_say() {
    let (schema, mut rng) = (schema(&every()), StdRng::seed_from_u64(1));
    let mut seen = [[0; 2]; 6];
    for _ in 0..repeats(20_000, 1_000_000) {
        let mut row = random(&schema, &mut rng);
        if rng.random() {
            schema.settle(&mut row);
        }
        let expected = oracle(&schema, &row);
        for ((rule, expected), seen) in schema.rules().list().iter().zip(expected).zip(&mut seen) {
            assert_eq!(rule.holds(schema.columns(), &row), expected, "{}: {row:?}", rule.text(schema.columns()));
            seen[usize::from(expected)] += 1;
        }
        assert_eq!(schema.broken(&row), expected.iter().position(|kept| !kept));
    }
    assert!(seen.iter().flatten().all(|&count| count > 100), "{seen:?}");
}

/// What is settled keeps all rules; what kept them is left as it is; only determined cells are set.
#[test]
fn settled_rows_keep_all_rules() {
    let (schema, mut rng) = (schema(&every()), StdRng::seed_from_u64(2));
    let determined = [1, 3];
    let (mut kept, mut changed) = (0, 0);
    for _ in 0..repeats(20_000, 1_000_000) {
        let row = random(&schema, &mut rng);
        let mut settled = row.clone();
        let fits = schema.settle(&mut settled);
        assert!(schema.columns().iter().zip(&settled).all(|(column, &code)| column.holds(code)));
        assert!((0..row.len()).all(|j| determined.contains(&j) || row[j] == settled[j]));
        if schema.broken(&row).is_none() {
            assert!(fits && settled == row);
        }
        assert_eq!(fits, schema.broken(&settled).is_none());
        if fits {
            (kept, changed) = (kept + 1, changed + usize::from(settled != row));
        }
    }
    assert!(kept > 300 && changed > 100, "{kept} {changed}");
}

/// Sums of sums are settled from below, in whatever order they are declared.
#[test]
fn sums_are_settled_from_below() {
    let columns: Vec<Value> =
        ["p", "q", "r", "s", "t"].map(|name| json!({"name": name, "type": "integer", "min": 0, "max": 9})).into();
    let rules = json!([
        {"type": "sum", "total": "t", "parts": ["s", "r"]},
        {"type": "sum", "total": "s", "parts": ["p", "q"]}]);
    let schema = Declaration::from_json(&json!({"columns": columns, "rules": rules})).unwrap().schema;
    let mut row = vec![1, 2, 3, 0, 0];
    assert!(schema.settle(&mut row));
    assert_eq!(row, [1, 2, 3, 3, 6]);
    assert!(!schema.settle(&mut [5, 5, 0, 0, 0]), "10 is no value of s");
}

#[test]
fn declarations_with_rules_are_written_and_read_again() {
    let schema = schema(&every());
    let json = schema.to_json();
    assert_eq!(Declaration::from_json(&json).unwrap().schema, schema);
    assert_eq!(json["rules"][2], json!({"type": "sum", "total": "d", "parts": ["c", "a"]}));
    assert_eq!(json["rules"][3]["when"], json!({"column": "a", "min": -5, "max": 3}));
    assert_eq!(json["rules"][3]["then"], json!({"column": "k", "in": ["x", null]}));
    let plain = Declaration::from_json(&json!({"columns": columns()})).unwrap().schema;
    assert_eq!(plain.to_json().get("rules"), None, "documents of before stay what they were");
    let loose = declare(&json!([{"type": "order", "columns": ["a", "b"], "strickt": true, "note": "x"},
        {"type": "implies", "when": {"column": "a", "min": 3, "of": 1}, "then": {"column": "k", "in": ["x"]}}]));
    assert_eq!(loose.unwrap().ignored, ["rules[0].note", "rules[0].strickt", "rules[1].when.of"]);
}

#[test]
fn faults_of_rules_are_named() {
    let implies = |when: Value| json!({"type": "implies", "when": when, "then": {"column": "k", "in": ["x"]}});
    let of = |key: &str, rows: Value| json!({"type": "combinations", "columns": ["k", "l"], key: rows});
    for (rule, expected) in [
        (json!(3), "rules[0]: must be a JSON object, not a number"),
        (json!({"type": "less"}), "rules[0]: type must be order, sum, implies or combinations"),
        (json!({"type": "order"}), "rules[0]: needs columns, a list of names of columns"),
        (json!({"type": "order", "columns": ["a", 3]}), "rules[0]: columns must be names of columns, not a number"),
        (json!({"type": "order", "columns": ["a", "zz"]}), "rules[0]: names a column that is not declared"),
        (json!({"type": "order", "columns": ["a"]}), "rules[0]: needs at least two columns to compare"),
        (json!({"type": "order", "columns": ["a", "a"]}), "rules[0]: a column is named twice"),
        (
            json!({"type": "order", "columns": ["a", "k"]}),
            "rules[0]: compares numbers with numbers, or times with times",
        ),
        (
            json!({"type": "order", "columns": ["a", "to"]}),
            "rules[0]: compares numbers with numbers, or times with times",
        ),
        (json!({"type": "sum", "parts": ["a", "b"]}), "rules[0]: needs a total, the name of a column"),
        (json!({"type": "sum", "total": "d", "parts": ["a"]}), "rules[0]: needs at least two parts"),
        (json!({"type": "sum", "total": "a", "parts": ["a", "b"]}), "rules[0]: a column is named twice"),
        (json!({"type": "sum", "total": "from", "parts": ["to", "a"]}), "rules[0]: only numbers can be added up"),
        (
            json!({"type": "sum", "total": "b", "parts": ["a", "d"]}),
            "rules[0]: the total has coarser steps than its parts, so that sums would be rounded: give it a finer step",
        ),
        (json!({"type": "sum", "total": "k", "parts": ["a", "b"]}), "rules[0]: only numbers can be added up"),
        (
            implies(json!({"column": "a"})),
            "rules[0].when: needs either in, a list of cells that is not empty, or min or max",
        ),
        (
            implies(json!({"column": "a", "in": []})),
            "rules[0].when: needs either in, a list of cells that is not empty, or min or max",
        ),
        (
            implies(json!({"column": "a", "in": [1], "max": 2})),
            "rules[0].when: needs either in, a list of cells that is not empty, or min or max",
        ),
        (implies(json!({"column": "a", "in": [null]})), "rules[0].when: a is never missing: null is none of its cells"),
        (implies(json!({"column": "a", "in": [1.5]})), "rules[0].when: names a cell that is no value of a"),
        (implies(json!({"column": "b", "in": [3]})), "rules[0].when: names a cell that is no value of b"),
        (implies(json!({"column": "c", "min": 99})), "rules[0].when: names a cell that is no value of c"),
        (implies(json!({"column": "c", "min": 2, "max": 1})), "rules[0].when: min is above max"),
        (
            implies(json!({"column": "l", "min": true})),
            "rules[0].when: min and max are for numbers and times: list the categories with in",
        ),
        (implies(json!({"column": "k", "in": ["x"]})), "rules[0]: a column is named twice"),
        (implies(json!([1])), "rules[0].when: must be a JSON object, not a list"),
        (
            of("allow", json!([])),
            "rules[0]: needs either allowed or forbidden, a list of lists with a cell for each column",
        ),
        (of("allowed", json!([])), "rules[0]: needs at least one combination"),
        (of("allowed", json!([["x"]])), "rules[0]: every combination is a list with one cell for each column"),
        (of("forbidden", json!([["x", "maybe"]])), "rules[0]: names a cell that is no value of l"),
    ] {
        assert_eq!(declare(&json!([rule])).unwrap_err(), expected, "{rule}");
    }
    let sum = |total: &str, parts: [&str; 2]| json!({"type": "sum", "total": total, "parts": parts});
    let twice = declare(&json!([sum("d", ["a", "b"]), sum("d", ["a", "c"])]));
    assert_eq!(twice.unwrap_err(), "rules[1]: another rule says what this column is the sum of");
    let round = declare(&json!([sum("c", ["d", "b"]), sum("d", ["a", "c"])]));
    assert_eq!(round.unwrap_err(), "rules[0]: a sum is a part of itself, by way of other sums");
    let many = json!(vec![json!({"type": "order", "columns": ["a", "b"]}); 65]);
    assert_eq!(declare(&many).unwrap_err(), "rules: at most 64 rules can be declared");
    assert_eq!(declare(&json!({"type": "order"})).unwrap_err(), "schema: rules must be a list, not an object");
}

fn upload(schema: &Schema, text: &str, lines: bool) -> (Vec<Vec<Code>>, Result<u64, UploadError>) {
    let limits = UploadLimits::default();
    let mut upload = match lines {
        true => Upload::of_json_lines(schema, Packing::Plain, limits),
        false => Upload::new(schema, Packing::Plain, limits),
    };
    let mut rows = Vec::new();
    let mut sink = |row: &[Code], _: &[u8]| rows.push(row.to_vec());
    let done = upload.push(text.as_bytes(), &mut sink).and_then(|()| upload.finish(&mut sink));
    (rows, done.map(|summary| summary.rows))
}

/// A row that breaks a rule is refused by its number and the rule's, and nothing of it is said.
#[test]
fn uploads_that_break_a_rule_are_refused() {
    let schema = schema(
        &json!([{"type": "order", "columns": ["from", "to"]}, {"type": "sum", "total": "d", "parts": ["c", "a"]}]),
    );
    let header = "a,b,c,d,from,to,k,l\n";
    let good = "1,2,0.25,1.25,2026-01-02,2026-01-03,x,true\n2,,,7,2026-01-02,,,\n";
    let (rows, done) = upload(&schema, &format!("{header}{good}"), false);
    assert_eq!((rows.len(), done), (2, Ok(2)));
    let bad = "13,2,0.25,13,2026-01-04,2026-01-03,x,true\nwrong,2,0.25,1.25,2026-01-09,2026-01-03,x,true\n\
               17,2,0.25,17.5,2026-01-02,2026-01-03,x,true\n";
    let (_, done) = upload(&schema, &format!("{header}{good}{bad}"), false);
    let Err(UploadError::Csv(error)) = done else { panic!("{done:?}") };
    let said: Vec<(u64, Option<&str>, &str)> =
        error.problems.iter().map(|problem| (problem.row, problem.column.as_deref(), &*problem.reason)).collect();
    assert_eq!(
        (said[0], said[2]),
        (
            (3, None, "breaks rules[0] of the schema (from <= to)"),
            (5, None, "breaks rules[1] of the schema (d = c + a)"),
        )
    );
    assert_eq!((said.len(), said[1].0, said[1].1), (3, 4, Some("a")), "a row with a wrong cell is not judged by rules");
    let line =
        json!({"a": 13, "b": 2, "c": 0.25, "d": 13, "from": "2026-01-02", "to": "2026-01-03", "k": "x", "l": true});
    let (rows, done) = upload(&schema, &format!("{line}\n"), true);
    let Err(UploadError::JsonLines(error)) = done else { panic!("{done:?}") };
    assert_eq!((rows.len(), &*error.problems[0].reason), (0, "breaks rules[1] of the schema (d = c + a)"));
}
