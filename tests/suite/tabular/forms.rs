//! Forms of tables and compressions: whatever goes out comes in again, and JSON Lines say what is wrong as a CSV does.

use dp2stage::tabular::{
    Code, Declaration, Form, MISSING, Packer, Packing, ParquetError, ParquetReader, Schema, Summary, Table, TableError,
    TableWriter, Upload, UploadError, UploadLimits,
};
use proptest::prelude::*;
use serde_json::json;

use super::{corpus, strategies};

/// A table in a form, in pieces of so many rows.
pub fn written(schema: &Schema, rows: &[Vec<Code>], form: Form, piece: usize) -> Vec<u8> {
    let (mut writer, mut bytes) = (TableWriter::new(schema, form, true), Vec::new());
    for rows in rows.chunks(piece) {
        bytes.append(&mut writer.push(&Table::new(schema.width(), rows.concat())).unwrap());
    }
    bytes.append(&mut writer.finish().unwrap());
    bytes
}

/// What an upload reads, in pieces of so many bytes.
fn read(
    schema: &Schema,
    (form, packing): (Form, Packing),
    bytes: &[u8],
    piece: usize,
) -> Result<(Vec<Vec<Code>>, Summary), UploadError> {
    let limits = UploadLimits::default();
    let mut rows = Vec::new();
    let mut sink = |row: &[Code], _: &[u8]| rows.push(row.to_vec());
    let mut upload = match form {
        Form::Csv => Upload::new(schema, packing, limits),
        Form::JsonLines => Upload::of_json_lines(schema, packing, limits),
        Form::Parquet => {
            let mut read = || {
                let mut reader = ParquetReader::open(bytes, (schema, None), limits)?;
                while reader.next_rows(&mut sink)? {}
                reader.finish()
            };
            return match read() {
                Ok(summary) => Ok((rows, summary)),
                Err(ParquetError::Refused(refusal)) => Err(refusal),
                Err(other) => panic!("{other}"),
            };
        }
    };
    for bytes in bytes.chunks(piece) {
        upload.push(bytes, &mut sink)?;
    }
    let summary = upload.finish(&mut sink)?;
    Ok((rows, summary))
}

pub fn packed(packing: Packing, bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut packer, mut out) = (Packer::new(packing).unwrap(), Vec::new());
    for bytes in bytes.chunks(piece) {
        out.append(&mut packer.push(bytes.to_vec()).unwrap());
    }
    out.append(&mut packer.finish().unwrap());
    out
}

proptest! {
    #[test]
    fn what_goes_out_in_any_form_comes_in_again(
        (schema, rows) in strategies::rows(1),
        form in prop::sample::select(vec![Form::Csv, Form::JsonLines, Form::Parquet]),
        packing in prop::sample::select(vec![Packing::Plain, Packing::Gzip, Packing::Zstd]),
        piece in 1usize..5000,
    ) {
        let packing = if form == Form::Parquet { Packing::Plain } else { packing };
        let bytes = packed(packing, &written(&schema, &rows, form, piece % 7 + 1), piece);
        let (again, summary) = read(&schema, (form, packing), &bytes, piece).unwrap();
        prop_assert_eq!(summary.rows as usize, rows.len());
        prop_assert_eq!(again, rows);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// A row group ends where it ends: as many rows as fill several, and columns of nothing but missing cells.
    #[test]
    fn many_rows_of_parquet_come_in_again(seed in any::<u64>(), count in 1usize..5_000, missing in any::<bool>()) {
        let columns: Vec<_> = (0..900).map(|i| match i % 3 {
            0 => json!({"name": format!("n{i}"), "type": "integer", "min": 0, "max": 1 << (i % 30), "nullable": true}),
            1 => json!({"name": format!("c{i}"), "type": "categorical", "categories": ["a", "b", "c"], "nullable": true}),
            _ => json!({"name": format!("d{i}"), "type": "datetime", "min": "1900-01-01", "max": "2100-01-01"}),
        }).collect();
        let schema = Declaration::from_json(&json!({"columns": columns})).unwrap().schema;
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32
        };
        let rows: Vec<Vec<Code>> = (0..=count).map(|_| {
            schema.columns().iter().map(|column| match next() {
                random if column.nullable && (missing || random % 5 == 0) => MISSING,
                random => random % column.domain.len() as u32,
            }).collect()
        }).collect();
        let bytes = written(&schema, &rows, Form::Parquet, 5000);
        let (again, _) = read(&schema, (Form::Parquet, Packing::Plain), &bytes, 1).unwrap();
        prop_assert!(again == rows);
    }
}

fn lines(body: &str) -> Result<Vec<Vec<Code>>, TableError> {
    let schema = Declaration::from_json(&corpus::schema()).unwrap().schema;
    let answers =
        [1, 3, 100_000].map(|piece| match read(&schema, (Form::JsonLines, Packing::Plain), body.as_bytes(), piece) {
            Ok((rows, _)) => Ok(rows),
            Err(UploadError::JsonLines(error)) => Err(error),
            Err(other) => panic!("{other}"),
        });
    assert!(answers[0] == answers[1] && answers[1] == answers[2], "pieces matter");
    let [answer, ..] = answers;
    answer
}

const GOOD: &str = r#"{"age": 42, "weight": 71.5, "ward": "A", "admitted": "2024-02-29", "seen": "2024-05-01T13:00:00Z", "outcome": "yes"}"#;

#[test]
fn json_lines_are_read_as_they_are_written() {
    let expected = vec![25, 715, 0, 1520, 121 * 24 + 13, 0];
    assert_eq!(lines(GOOD).unwrap(), std::slice::from_ref(&expected));
    // Other orders, escapes, blanks, exponents, and a cell that is left out.
    let other = "\u{feff}\r\n{\"outcome\":\"\\u0079es\",\"age\":4.2e1,\"weight\":\"71.50\",\"seen\":\"2024-05-01 13:59\",\
                 \"admitted\":\"2024-02-29\"}\r\n\n";
    let mut left_out = expected;
    left_out[2] = MISSING;
    assert_eq!(lines(other).unwrap(), [left_out.clone()]);
    assert_eq!(lines(&GOOD.replace("\"A\"", "null")).unwrap(), [left_out]);
}

#[test]
fn wrong_json_lines_are_refused_at_the_right_place_and_without_their_text() {
    let cell = |what: &str, instead: &str| GOOD.replace(what, instead);
    let cases: &[(String, u64, Option<&str>, &str)] = &[
        (String::new(), 0, None, "the file is empty"),
        ("\n \n".into(), 0, None, "the file is empty"),
        (format!("[{GOOD}]"), 0, None, "a JSON list"),
        ("PAR1....".into(), 0, None, "Content-Type: application/vnd.apache.parquet"),
        (format!("{GOOD}\n[\"zq9canary\"]"), 2, None, "is no JSON object"),
        (format!("{GOOD}\n\"zq9canary\""), 2, None, "is no JSON object"),
        (format!("{GOOD}\n{GOOD} zq9canary"), 2, None, "is not valid JSON"),
        (format!("{GOOD}\n{{\"age\": zq9canary}}"), 2, None, "is not valid JSON: see character 9"),
        (cell("}", ""), 1, None, "is not valid JSON"),
        (cell("42", "042"), 1, None, "is not valid JSON"),
        (cell("42", "NaN"), 1, None, "is not valid JSON"),
        ("{\"zq9canary\": 1}".into(), 1, None, "holds none of the declared columns"),
        (cell("{", "{\"zq9canary\": 1, "), 1, None, "member 1 of the object is not a declared column"),
        (cell("\"age\"", "\"Age\""), 1, None, "rename it to \"age\""),
        (cell("{", "{\"age\": 20, "), 1, Some("age"), "twice"),
        (cell("\"age\": 42,", ""), 1, Some("age"), "is empty"),
        (cell("42", "null"), 1, Some("age"), "is empty"),
        (cell("42", "142"), 1, Some("age"), "outside the declared min and max"),
        (cell("42", "42.5"), 1, Some("age"), "not a whole number"),
        (cell("42", "9007199254740993"), 1, Some("age"), "outside the declared min and max"),
        (cell("42", "true"), 1, Some("age"), "not a number"),
        (cell("42", "[\"zq9canary\"]"), 1, Some("age"), "an object or a list"),
        (cell("42", "{\"zq9canary\": {}}"), 1, Some("age"), "an object or a list"),
        (cell("\"A\"", "\"zq9canary\""), 1, Some("ward"), "not one of the 3"),
        (cell("\"A\"", "\"\\ud800zq9canary\""), 1, Some("ward"), "an escape"),
        (cell("\"A\"", "\"A\\u0000\""), 1, Some("ward"), "NUL"),
        (cell("\"A\"", &format!("\"{}\"", "zq9canary".repeat(500))), 1, Some("ward"), "longer than 4096 bytes"),
        (format!("{GOOD}\n{{\"a\": \"{}\"}}", "zq9canary".repeat(200_000)), 2, None, "longer than 1048576 bytes"),
    ];
    for (body, row, column, says) in cases {
        let error = lines(body).expect_err(says);
        let said = format!("{error} {error:?} {}", serde_json::to_string(&error).unwrap());
        let first = &error.problems[0];
        assert_eq!((first.row, first.column.as_deref()), (*row, *column), "{says}: {said}");
        assert!(first.reason.contains(says) && !said.contains("zq9"), "{says}: {said}");
    }
    let deep = format!("{}{}", "{\"age\":".repeat(100_000), "}".repeat(100_000));
    assert!(lines(&deep).unwrap_err().problems[0].reason.contains("is not valid JSON"));
}

/// What is said of packed bytes that are not whole, or not what they seem.
#[test]
fn wrong_zstd_is_refused() {
    let schema = Declaration::from_json(&corpus::schema()).unwrap().schema;
    let table = corpus::good(300);
    let good = packed(Packing::Zstd, &table, 1000);
    let code = |bytes: &[u8]| {
        let codes = [1, 7, 100_000].map(|piece| match read(&schema, (Form::Csv, Packing::Zstd), bytes, piece) {
            Ok((rows, _)) => format!("{} rows", rows.len()),
            Err(error) => error.code().to_owned(),
        });
        assert!(codes[0] == codes[1] && codes[1] == codes[2], "{codes:?}");
        codes[0].clone()
    };
    assert_eq!(code(&good), "300 rows");
    assert_eq!(
        code(&[packed(Packing::Zstd, &table[..50], 9), packed(Packing::Zstd, &table[50..], 9)].concat()),
        "300 rows"
    );
    assert_eq!(code(&table), "zstd_invalid");
    assert_eq!(code(&corpus::gzip(&table)), "zstd_invalid");
    assert_eq!(code(b""), "zstd_truncated");
    assert_eq!(code(&[good.as_slice(), b"more"].concat()), "zstd_trailing");
    for cut in 1..good.len() {
        assert_eq!(code(&good[..cut]), "zstd_truncated", "{cut}");
    }
    // With its checksum every flipped bit is noticed, or changes nothing.
    let mut noticed = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match read(&schema, (Form::Csv, Packing::Zstd), &bytes, 100_000) {
            Ok((rows, _)) => assert_eq!(rows.len(), 300),
            Err(error) => noticed += usize::from(error.code().starts_with("zstd_")),
        }
    }
    assert!(noticed > good.len() * 7, "{noticed} of {}", good.len() * 8);
    let bomb = packed(Packing::Zstd, &vec![b'\n'; 64 << 20], 1 << 20);
    assert_eq!(code(&bomb), "zstd_ratio");
    let window = zstd_of_window(27, &vec![b'x'; 20 << 20]);
    assert_eq!(code(&window), "zstd_invalid");
}

fn zstd_of_window(log: u32, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
