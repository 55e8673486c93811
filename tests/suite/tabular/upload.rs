//! The way in: refusals say where and never what, memory is bounded, pieces do not matter.

use dp2stage::tabular::{
    Code, Column, Declaration, Domain, MISSING, Packing, Schema, Summary, TableError, TableReader, Upload, UploadError,
    UploadLimits,
};

use super::corpus::{self, Case};

fn schema() -> Schema {
    Declaration::from_json(&corpus::schema()).unwrap().schema
}

fn one_column(names: &[&str], nullable: bool) -> Schema {
    let domain = Domain::Categories(names.iter().map(|&name| name.into()).collect());
    Schema::new(vec![Column { name: "c".into(), domain, nullable }], None, None).unwrap()
}

/// Uploads in pieces; gives the rows too.
fn upload(
    schema: &Schema,
    packing: Packing,
    body: &[u8],
    piece: usize,
    limits: UploadLimits,
) -> (Vec<Vec<Code>>, Result<Summary, UploadError>) {
    let (mut upload, mut rows) = (Upload::new(schema, packing, limits), Vec::new());
    let mut sink = |row: &[Code], _: &[u8]| rows.push(row.to_vec());
    for bytes in body.chunks(piece) {
        if let Err(error) = upload.push(bytes, &mut sink) {
            return (rows, Err(error));
        }
    }
    let result = upload.finish(&mut sink);
    (rows, result)
}

fn plain(schema: &Schema, body: &str) -> Result<Vec<Vec<Code>>, TableError> {
    match upload(schema, Packing::Plain, body.as_bytes(), 4096, UploadLimits::default()) {
        (rows, Ok(summary)) => {
            assert_eq!(summary.rows, rows.len() as u64);
            Ok(rows)
        }
        (_, Err(UploadError::Csv(error))) => Err(error),
        (_, Err(other)) => panic!("{other}"),
    }
}

fn check(case: &Case, piece: usize) -> UploadError {
    let (rows, result) = upload(&schema(), case.packing, &case.body, piece, UploadLimits::default());
    let error = result.expect_err(&case.name);
    assert_eq!(error.code(), case.code, "{}: {error:?}", case.name);
    let json = match &error {
        UploadError::Csv(error) => serde_json::to_string(error).unwrap(),
        _ => String::new(),
    };
    let said = format!("{error}\n{error:?}\n{json}");
    assert!(!said.contains(&case.secret), "{} repeats the upload: {said}", case.name);
    match (&error, case.place) {
        (UploadError::Csv(csv), Some((row, column))) => {
            let problem = &csv.problems[0];
            assert_eq!((problem.row, problem.column.as_deref()), (row, column), "{}: {said}", case.name);
            assert!(problem.reason.contains(case.says), "{}: {said}", case.name);
            assert_eq!(rows.len() as u64, row.saturating_sub(1), "{}: rows after a refusal", case.name);
        }
        (_, place) => {
            assert!(place.is_none() && said.contains(case.says), "{}: {said}", case.name);
        }
    }
    error
}

#[test]
fn malformed_uploads_are_refused_at_the_right_place_and_without_their_text() {
    let cases = corpus::cases();
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    for case in &cases {
        let whole = check(case, usize::MAX);
        for piece in [1, 2, 7, 1000] {
            if case.body.len() / piece < 20_000 {
                assert_eq!(check(case, piece), whole, "{} in pieces of {piece}", case.name);
            }
        }
    }
}

#[test]
fn a_good_table_passes_plain_packed_and_in_any_pieces() {
    let (schema, table) = (schema(), corpus::good(3));
    let halves = table.split_at(40);
    let members = [corpus::gzip(halves.0), corpus::gzip(halves.1)].concat();
    let bodies = [(Packing::Plain, table.clone()), (Packing::Gzip, corpus::gzip(&table)), (Packing::Gzip, members)];
    for (packing, body) in bodies {
        for piece in [1, 3, 64, 100_000] {
            let (rows, result) = upload(&schema, packing, &body, piece, UploadLimits::default());
            assert_eq!(result.unwrap().rows, 3);
            assert_eq!(rows, vec![vec![25, 715, 0, 1520, 121 * 24 + 13, 0]; 3]);
        }
    }
}

#[test]
fn columns_come_in_any_order_with_any_line_end() {
    let text = "\u{feff}outcome, seen ,\"ward\",age,admitted,weight\r\nno,2024-01-01,\" B \",17,2020-01-02,0.04\r\r\n\
                yes,2024-12-31 23:59,,90.0,2026-12-31T23:00:00Z,3e2";
    let rows = plain(&schema(), text).unwrap();
    assert_eq!(rows, [[0, 0, 1, 1, 0, 1], [73, 3000, MISSING, 2556, 366 * 24 - 1, 0]]);
}

#[test]
fn an_empty_cell_is_missing_or_a_category_or_refused() {
    assert_eq!(plain(&one_column(&["a"], true), "c\n\"\"\na\n\n\"  \"\n").unwrap(), [[MISSING], [0], [MISSING]]);
    assert_eq!(plain(&one_column(&["a", ""], false), "c\n\"\"\na\n\" \"\n").unwrap(), [[1], [0], [1]]);
    let error = plain(&one_column(&["a"], false), "c\na\n\"\"\n").unwrap_err();
    assert_eq!((error.problems[0].row, error.problems.len(), error.stopped), (2, 1, false));
}

#[test]
fn the_exact_category_wins_over_the_trimmed_one() {
    let rows = plain(&one_column(&["a", " a", "\u{a0}a", "b"], false), "c\na\n a\n  a\n\u{a0}a\nb \n").unwrap();
    assert_eq!(rows, [[0], [1], [0], [2], [3]]);
}

#[test]
fn problems_are_collected_up_to_twenty() {
    let row = "1,400,Z,x,y,z\n";
    let body = format!("{}{}", String::from_utf8(corpus::good(2)).unwrap(), row.repeat(9));
    let error = plain(&schema(), &body).unwrap_err();
    assert_eq!((error.problems.len(), error.stopped), (20, true));
    let last = &error.problems[19];
    assert_eq!((last.row, last.column.as_deref()), (6, Some("weight")));
    let few = plain(&schema(), &format!("{}{row}", String::from_utf8(corpus::good(2)).unwrap())).unwrap_err();
    assert_eq!((few.problems.len(), few.stopped), (6, false));
}

#[test]
fn a_problem_is_json_with_row_column_and_reason() {
    let error = plain(&one_column(&["a"], false), "c\nx\n").unwrap_err();
    let json = serde_json::to_value(&error.problems).unwrap();
    let reason = "is not one of the 1 declared categories";
    assert_eq!(json, serde_json::json!([{"row": 1, "column": "c", "reason": reason}]));
}

#[test]
fn rows_and_bytes_are_limited() {
    let limits = UploadLimits { rows: 3, table_bytes: 300, ..UploadLimits::default() };
    let run = |rows, packing| {
        let body = corpus::good(rows);
        let body = if packing == Packing::Gzip { corpus::gzip(&body) } else { body };
        upload(&schema(), packing, &body, 10, limits).1
    };
    assert_eq!(run(3, Packing::Plain).unwrap().rows, 3);
    match run(4, Packing::Plain).unwrap_err() {
        UploadError::Csv(error) => assert_eq!((error.problems[0].row, error.stopped), (4, true)),
        other => panic!("{other}"),
    }
    for packing in [Packing::Plain, Packing::Gzip] {
        let unlimited_rows = UploadLimits { rows: 9000, ..limits };
        let body = if packing == Packing::Gzip { corpus::gzip(&corpus::good(40)) } else { corpus::good(40) };
        let error = upload(&schema(), packing, &body, 10, unlimited_rows).1.unwrap_err();
        assert_eq!(error, UploadError::TooLarge { limit: 300 });
        assert_eq!(error.code(), "table_too_large");
    }
}

#[test]
fn endless_lines_and_cells_are_refused_in_bounded_memory() {
    let starts = ["", "\"", "age,\"", "age,weight,ward,admitted,seen,outcome\n42,71.5,", "c\n\"", "\u{feff}"];
    for (start, fill) in starts.into_iter().flat_map(|start| [(start, b'x'), (start, b'"'), (start, b',')]) {
        let mut reader = TableReader::new(&schema(), UploadLimits::default());
        let mut sink = |_: &[Code], _: &[u8]| {};
        let (chunk, mut sent, mut refused) =
            (vec![fill; 64 << 10], 0, reader.push(start.as_bytes(), &mut sink).is_err());
        while !refused && sent < 64 << 20 {
            refused = reader.push(&chunk, &mut sink).is_err();
            sent += chunk.len();
            assert!(reader.buffered() <= (1 << 20) + (16 << 10), "{} bytes held", reader.buffered());
        }
        // Doubled quotes take two bytes for each byte of text.
        assert!(refused && sent <= 3 << 20, "{start:?} {fill} went on for {sent} bytes");
    }
}

#[test]
fn quotes_that_open_late_are_text() {
    let rows = plain(&one_column(&["5\" pipe", "x"], false), "c\n5\" pipe\nx\n").unwrap();
    assert_eq!(rows, [[0], [1]]);
}

#[test]
fn one_byte_order_mark_is_dropped_and_a_second_is_text() {
    let domain = Domain::Categories(vec!["a".into()]);
    let marked = Column { name: "\u{feff}c".into(), domain, nullable: false };
    let schema = Schema::new(vec![marked], None, None).unwrap();
    for piece in [1, 2, 4, 100] {
        let body = "\u{feff}\u{feff}c\na\n".as_bytes();
        let (rows, result) = upload(&schema, Packing::Plain, body, piece, UploadLimits::default());
        assert_eq!((rows, result.unwrap().rows), (vec![vec![0]], 1));
    }
}
