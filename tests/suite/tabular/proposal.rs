//! Schemas that are guessed from tables.

use dp2stage::tabular::{Declaration, Packing, Proposal, Proposer, Upload, UploadLimits};
use serde_json::{Value, json};

use super::corpus::CANARY;

fn proposed(csv: &str) -> Proposal {
    of(csv, usize::MAX).unwrap_or_else(|reason| panic!("{reason}: {csv}"))
}

/// The proposal for a table that comes in pieces of this size, or the first problem.
fn of(csv: &str, piece: usize) -> Result<Proposal, String> {
    let mut proposer = Proposer::new(UploadLimits::default());
    let said = |error: dp2stage::tabular::TableError| format!("{:?}", error.problems);
    for piece in csv.as_bytes().chunks(piece.min(csv.len().max(1))) {
        proposer.push(piece).map_err(said)?;
    }
    proposer.finish().map_err(said)
}

fn column(csv: &str) -> Value {
    let mut column = proposed(csv).schema["columns"][0].clone();
    column.as_object_mut().unwrap().remove("name");
    column
}

fn cells(cells: &[&str]) -> String {
    format!("x\n{}\n", cells.join("\n"))
}

#[test]
fn columns_are_what_their_cells_look_like() {
    let integer = |min: i64, max: i64| json!({"type": "integer", "min": min, "max": max});
    for (given, expected) in [
        (vec!["17", "90", "33"], integer(10, 90)),
        (vec!["-3", "+12", "4"], integer(-10, 20)),
        (vec!["103", "1987", "401"], integer(0, 2000)),
        (vec!["1.5", "22.25", "7"], json!({"type": "number", "min": 0, "max": 30, "step": 0.01})),
        (vec!["0.01", "0.07", "0.05"], json!({"type": "number", "min": 0.01, "max": 0.07, "step": 0.01})),
        (vec!["1e-3", "2.5e-3", "1"], json!({"type": "number", "min": 0, "max": 1, "step": 0.000_001})),
        (
            vec!["2021-03-04", "1999-12-31", "2020-02-29"],
            json!({"type": "datetime", "min": "1999-01-01", "max": "2021-12-31", "step": "1d"}),
        ),
        (
            vec!["2021-03-04T10:30", "2021-03-05 00:00", "2021-01-01"],
            json!({"type": "datetime", "min": "2021-01-01", "max": "2021-12-31", "step": "1m"}),
        ),
        (
            vec!["2021-03-04T10:30:07Z", "2022-03-05"],
            json!({"type": "datetime", "min": "2021-01-01", "max": "2022-12-31", "step": "1s"}),
        ),
        (vec!["b", "a", "b"], json!({"type": "categorical", "categories": ["a", "b"]})),
        (vec!["0", "1", "1"], json!({"type": "categorical", "categories": ["0", "1"]})),
        (vec!["01234", "56789", "10001"], json!({"type": "categorical", "categories": ["01234", "10001", "56789"]})),
        (vec!["1", "two", "3"], json!({"type": "categorical", "categories": ["1", "3", "two"]})),
    ] {
        assert_eq!(column(&cells(&given)), expected, "{given:?}");
    }
    let missing = proposed("x,y\n1,\n,b\n5,c\n");
    assert_eq!((&missing.schema["columns"][0]["nullable"], missing.rows), (&json!(true), 3));
    assert!(missing.complete && missing.schema["columns"][1]["nullable"] == true);
}

/// What is proposed can be declared, and the very table that it was read from is then accepted.
#[test]
fn a_table_fits_what_is_proposed_for_it() {
    let tables = [
        String::from_utf8(super::corpus::good(40)).unwrap(),
        "age,weight,when,ward\n17,61.25,2020-01-01,a\n90,140.5,2024-06-30T12:00:01Z,\n33,-2,2021-05-05,\"a, b\"\n"
            .into(),
        "\u{feff}a , b\r\n 1 , x \r\n2,y\r\n3,z\r\n".into(),
        "v\n1000000000000\n1\n77\n".into(),
        "v\n0.1234567\n1e9\n-3\n".into(),
        "v\n5\n5\n5.5\n".into(),
    ];
    for csv in &tables {
        let proposal = proposed(csv);
        assert!(proposal.complete, "{csv}: {proposal:?}");
        let schema = Declaration::from_json(&proposal.schema).unwrap_or_else(|e| panic!("{csv}: {e}")).schema;
        let mut upload = Upload::new(&schema, Packing::Plain, UploadLimits::default());
        upload.push(csv.as_bytes(), &mut |_, _| {}).unwrap_or_else(|e| panic!("{csv}: {e:?}"));
        let read = upload.finish(&mut |_, _| {}).unwrap_or_else(|e| panic!("{csv}: {e:?}"));
        assert_eq!(read.rows, proposal.rows);
        for piece in 1..9 {
            assert_eq!(of(csv, piece).as_ref(), Ok(&proposal), "in pieces of {piece}");
        }
    }
}

/// Numbers and dates do not tell their ends, and what is no list of categories is none.
#[test]
fn ends_are_round_and_long_lists_are_not_proposed() {
    let many: Vec<String> = (0..150).map(|i| format!("name-{i}")).collect();
    let csv = format!(
        "who,income\n{}\n",
        many.iter().enumerate().map(|(i, n)| format!("{n},{}", 10_117 + 431 * i)).collect::<Vec<_>>().join("\n")
    );
    let proposal = proposed(&csv);
    assert!(!proposal.complete, "a column without categories has to be mended");
    assert_eq!(proposal.schema["columns"][0]["categories"], json!([]));
    assert!(proposal.notes["who"][0].contains("free text"));
    assert_eq!(
        (&proposal.schema["columns"][1]["min"], &proposal.schema["columns"][1]["max"]),
        (&json!(10_000), &json!(80_000))
    );
    let text = proposal.schema.to_string() + &format!("{:?}", proposal.notes);
    assert!(!text.contains("name-1") && !text.contains("10117"), "{text}");
    let long = proposed(&cells(&["short", &"l".repeat(300)]));
    assert_eq!(long.schema["columns"][0]["categories"], json!([]));
    assert!(proposed("x\na\nb\n").notes["x"][0].starts_with("2 of these stand in fewer than 10 rows"));
}

/// What is refused is refused in words that hold nothing of the table.
#[test]
fn refusals_hold_no_text_of_the_table() {
    let row = format!("{CANARY},{CANARY}");
    for (csv, said) in [
        (String::new(), "the file is empty"),
        ("a,b\n".into(), "not followed by any row"),
        (format!("a,b\n{row}\n{row},{CANARY}\n"), "has 3 fields, but the header has 2"),
        (format!("a,b\n\"{row}\n"), "never closed"),
        (format!("a,{CANARY},{CANARY}\n{row},1\n"), "is the same name as field 2"),
        (format!("a,,b\n{row},1\n"), "field 2 of the header is no name"),
        (format!("a;b\n{CANARY};1\n"), "separated by semicolons"),
        (format!("{}\n{row}\n", "x,".repeat(3000)), "more than"),
        (format!("PK\u{3}\u{4}{row}"), "spreadsheet"),
    ] {
        let refusal = of(&csv, usize::MAX).expect_err(&csv);
        assert!(refusal.contains(said), "{said}: {refusal}");
        assert!(!refusal.contains(CANARY), "{refusal}");
    }
}
