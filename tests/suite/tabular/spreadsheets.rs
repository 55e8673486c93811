//! S5: what goes out by default does nothing in a spreadsheet, numbers are exact, and the raw form is what was declared.

use dp2stage::tabular::{
    Code, Column, CsvText, Domain, MISSING, Packing, Schema, Table, Upload, UploadLimits, is_plain,
};
use proptest::prelude::*;

use super::strategies;
use crate::support::repeats;

/// As the issue has them, and apart from the list of the program.
const TRIGGERS: &str = "=+-@\t\r＝＋－＠";

/// The cells of a text by RFC 4180, read letter by letter.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut letters) = (false, text.chars().peekable());
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => quoted = !quoted,
            _ if quoted => cell.push(c),
            ',' => row.push(std::mem::take(&mut cell)),
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ => cell.push(c),
        }
    }
    assert!(!quoted && cell.is_empty() && row.is_empty(), "whole lines");
    rows
}

/// Whether a spreadsheet would take a text for a formula; a negative number is none.
fn is_formula(text: &str) -> bool {
    let negative = text.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok_and(f64::is_finite)
    });
    text.starts_with(|c| TRIGGERS.contains(c)) && !negative
}

/// Also where the separator is one that a spreadsheet of another language expects.
fn holds_formula(text: &str) -> bool {
    is_formula(text) || text.split([';', '\t', '\r', '\n']).any(|part| is_formula(part.trim_start_matches(['"', ' '])))
}

fn read(schema: &Schema, text: &str) -> Vec<Vec<Code>> {
    let (mut upload, mut rows) = (Upload::new(schema, Packing::Plain, UploadLimits::default()), Vec::new());
    let mut sink = |row: &[Code], _: &[u8]| rows.push(row.to_vec());
    upload.push(text.as_bytes(), &mut sink).unwrap();
    upload.finish(&mut sink).unwrap();
    rows
}

/// Whether two declared names of one place are one with and without an apostrophe: then the default form is ambiguous.
fn ambiguous(schema: &Schema) -> bool {
    let twins = |names: &[&String]| names.iter().any(|name| name.contains('\'') && names.len() > 1);
    let columns = schema.columns();
    let of_column = |column: &Column| match &column.domain {
        Domain::Categories(names) => twins(&names.iter().collect::<Vec<_>>()),
        Domain::Grid(_) => false,
    };
    twins(&columns.iter().map(|column| &column.name).collect::<Vec<_>>()) || columns.iter().any(of_column)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(repeats(400, 10_000) as u32))]

    #[test]
    fn no_default_export_holds_a_formula((schema, rows) in strategies::rows(1)) {
        let table = strategies::table(&schema, &rows);
        let export = |raw: bool| CsvText::new(&schema, &table, None).raw(raw).collect::<String>();
        let (default, raw) = (export(false), export(true));
        let (safe, exact) = (cells(&default), cells(&raw));
        prop_assert_eq!(safe.len(), rows.len() + 1);
        for (name, column) in safe[0].iter().zip(schema.columns()) {
            prop_assert!(!holds_formula(name), "{:?}", name);
            prop_assert_eq!(name.replace('\'', ""), column.name.replace('\'', ""));
        }
        prop_assert_eq!(&exact[0], &schema.columns().iter().map(|c| c.name.clone()).collect::<Vec<_>>());
        for ((safe, exact), row) in safe[1..].iter().zip(&exact[1..]).zip(&rows) {
            for (((safe, exact), column), &code) in safe.iter().zip(exact).zip(schema.columns()).zip(row) {
                prop_assert_eq!(exact, &column.text(code), "raw is what was declared");
                match column.domain {
                    Domain::Categories(_) => {
                        prop_assert!(!holds_formula(safe), "{:?}", safe);
                        prop_assert_eq!(safe.replace('\'', ""), exact.replace('\'', ""), "nothing but apostrophes");
                    }
                    Domain::Grid(_) => prop_assert_eq!(safe, exact, "numbers are exact"),
                }
            }
        }
        prop_assert_eq!(read(&schema, &raw), rows.clone(), "raw comes in again");
        if !ambiguous(&schema) {
            prop_assert_eq!(read(&schema, &default), rows, "so does the default form");
        }
        prop_assert!(!is_plain(&schema) || default == raw);
    }
}

#[test]
fn texts_of_which_one_knows_what_becomes() {
    let of = |names: &[&str]| {
        let domain = Domain::Categories(names.iter().map(|&name| name.into()).collect());
        Schema::new(vec![Column { name: "=c".into(), domain, nullable: true }], None, None).unwrap()
    };
    let texts = [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-", "'-"),
        ("-1", "-1"),
        ("-0.5e+3", "-0.5e+3"),
        ("-1-1", "'-1-1"),
        ("-e5", "'-e5"),
        ("+1", "'+1"),
        ("@A1", "'@A1"),
        ("\u{ff1d}1", "'\u{ff1d}1"),
        ("\u{ff20}1", "'\u{ff20}1"),
        ("\tx", "\"'\tx\""),
        ("\r=x", "\"'\r'=x\""),
        (" =x", " '=x"),
        ("\u{feff}=x", "\"\u{feff}'=x\""),
        ("a;=x", "\"a;'=x\""),
        ("a;\"=x", "\"a;\"\"'=x\""),
        ("a\n-x", "\"a\n'-x\""),
        ("a;b", "\"a;b\""),
        ("a=b", "a=b"),
        ("x-1", "x-1"),
        ("<=50K", "<=50K"),
        ("'=x", "'=x"),
    ];
    let schema = of(&texts.map(|(text, _)| text));
    assert!(!is_plain(&schema));
    let table = Table::new(1, (0..texts.len() as u32).chain([MISSING]).collect());
    let lines: Vec<&str> = texts.iter().map(|(_, safe)| *safe).collect();
    let expected = format!("'=c\n{}\n\"\"\n", lines.join("\n"));
    let default: String = CsvText::new(&schema, &table, None).collect();
    assert_eq!(default, expected);
    // As it was before there were two forms.
    let raw: String = CsvText::new(&schema, &table, None).raw(true).collect();
    assert!(raw.starts_with("=c\n=1+1\n+49 30\n-\n-1\n") && raw.contains("\na;b\n") && raw.contains("\na;=x\n"));
    // The apostrophe is taken off again, unless a category has it.
    assert_eq!(read(&of(&["=x", "-2+3"]), "'=c\n'=x\n=x\n'-2+3\n"), [[0], [0], [1]]);
    assert_eq!(read(&of(&["=x", "'=x"]), "=c\n'=x\n=x\n"), [[1], [0]]);
    let domain = Domain::Categories(vec!["-1".into(), "a".into(), "<=50K".into()]);
    let plain = Column { name: "c".into(), domain, nullable: false };
    assert!(is_plain(&Schema::new(vec![plain], None, None).unwrap()));
}
