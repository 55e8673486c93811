//! Parquet: files of other programs, and files that lie.

use dp2stage::tabular::{
    Declaration, Form, MISSING, ParquetError, ParquetReader, Schema, TableError, UploadError, UploadLimits,
};
use serde_json::json;

use super::crafted::{Chunk, Column, Page, file};
use super::forms::written;
use crate::fuzz::{corpus, targets};

/// The rows that the files of other programs hold, by formula.
fn expected(count: u32) -> Vec<Vec<u32>> {
    let row = |i: u32| {
        let dose = if i % 5 == 1 { MISSING } else { i * 3 % 47 };
        let ward = if i % 4 == 3 { MISSING } else { i % 3 };
        vec![i * 7 % 126, dose, ward, i * 37 % 2557, i / 2 % 2]
    };
    (0..count).map(row).collect()
}

/// pyarrow, pandas, polars, DuckDB and fastparquet, their codecs, encodings, versions of pages and types.
#[test]
fn files_of_other_programs_hold_the_same_rows() {
    let schema = targets::every_kind();
    let files = corpus("parquet");
    assert!(files.len() >= 11);
    for (i, bytes) in files.iter().enumerate() {
        assert_eq!(targets::of_parquet(&schema, bytes), Some(expected(12)), "file {i}: {:?}", refusal(&schema, bytes));
    }
    let large: [&[u8]; 3] = [
        include_bytes!("parquet/pages.parquet"),
        include_bytes!("parquet/delta.parquet"),
        include_bytes!("parquet/duckdb.parquet"),
    ];
    for bytes in large {
        assert!(targets::of_parquet(&schema, bytes) == Some(expected(3000)), "{:?}", refusal(&schema, bytes));
    }
}

fn refusal(schema: &Schema, bytes: &[u8]) -> Option<TableError> {
    refusal_within(schema, bytes, UploadLimits::default())
}

fn refusal_within(schema: &Schema, bytes: &[u8], limits: UploadLimits) -> Option<TableError> {
    let read = || {
        let mut reader = ParquetReader::open(bytes, (schema, None), limits)?;
        while reader.next_rows(&mut |_, _| {})? {}
        reader.finish()
    };
    match read() {
        Ok(_) => None,
        Err(ParquetError::Refused(UploadError::Parquet(error))) => Some(error),
        Err(other) => panic!("{other}"),
    }
}

/// Every prefix is refused, and every flipped bit of a file of ours: it has checksums, and laws between its parts.
#[test]
fn a_file_of_ours_is_whole_or_refused() {
    let schema = targets::every_kind();
    let rows = expected(40);
    let good = written(&schema, &rows, Form::Parquet, 40);
    assert_eq!(targets::of_parquet(&schema, &good), Some(rows.clone()));
    for cut in 0..good.len() {
        assert!(refusal(&schema, &good[..cut]).is_some(), "{cut} bytes of {}", good.len());
    }
    let mut same = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match targets::of_parquet(&schema, &bytes) {
            None => {}
            Some(read) if read == rows => same += 1,
            Some(_) => panic!("bit {bit} of {} bytes changes the table and is not noticed", good.len()),
        }
    }
    println!("{} bits flipped: {same} say the same, all others are refused", good.len() * 8);
}

/// A schema of one column of whole numbers, and a page of the numbers 0 to 7.
fn one() -> (Schema, Page) {
    let schema = json!({"columns": [{"name": "c", "type": "integer", "min": 0, "max": 1_000_000}]});
    let body: Vec<u8> = (0..8i64).flat_map(i64::to_le_bytes).collect();
    (Declaration::from_json(&schema).unwrap().schema, Page::data(8, body))
}

fn says(bytes: &[u8]) -> String {
    refusal(&one().0, bytes).map_or_else(|| "nothing".to_owned(), |error| error.problems[0].reason.clone())
}

fn of_page(page: Page) -> String {
    says(&file(&[Column::numbers("c")], &[(8, vec![Chunk::of(8, 0, vec![page])])]))
}

#[test]
fn numbers_that_lie_are_refused_before_anything_is_made_of_them() {
    let (schema, good) = one();
    assert_eq!(of_page(good.clone()), "nothing");
    let damaged = "contradicts itself";
    let cases: Vec<(Page, &str)> = vec![
        (Page { unpacked: 1 << 31, ..good.clone() }, "a page of more than 16 MiB"),
        (Page { unpacked: (16 << 20) + 1, ..good.clone() }, "a page of more than 16 MiB"),
        (Page { unpacked: 16 << 20, ..good.clone() }, "compression is damaged"),
        (Page { unpacked: 1 << 20, ..good.clone() }, "compression is damaged"),
        (Page { unpacked: -1, ..good.clone() }, damaged),
        (Page { values: 1 << 40, ..good.clone() }, damaged),
        (Page { values: 9, ..good.clone() }, damaged),
        (Page { values: 7, ..good.clone() }, damaged),
        (Page { values: 0, ..good.clone() }, damaged),
        (Page { values: -8, ..good.clone() }, damaged),
        (Page { encoding: 4, ..good.clone() }, "encoding that is not read here"),
        (Page { encoding: 77, ..good.clone() }, "encoding that is not read here"),
        (Page { kind: 9, ..good.clone() }, damaged),
        (Page { kind: 3, ..good.clone() }, damaged),
        // Runs and differences that would go on for ever.
        (Page::encoded(8, vec![3, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1]), damaged),
        (Page::encoded(5, vec![0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0]), damaged),
        (Page::encoded(5, vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 8, 0, 0, 0]), damaged),
        (Page::encoded(9, vec![0; 63]), damaged),
        (Page::encoded(8, vec![40, 3, 0]), damaged),
    ];
    for (page, says) in cases {
        let said = of_page(page.clone());
        assert!(said.contains(says), "{page:?}: {said}");
    }
    // A dictionary that says that it has more entries than bits.
    let dictionary = Page { kind: 2, values: 1 << 31, ..Page::data(0, vec![0; 16]) };
    let chunk = Chunk::of(8, 0, vec![dictionary, Page::encoded(8, vec![1, 16, 0])]);
    assert!(says(&file(&[Column::numbers("c")], &[(8, vec![chunk])])).contains(damaged));
    // Footers.
    let bytes = file(&[Column::numbers("c")], &[(8, vec![Chunk::of(8, 0, vec![good.clone()])])]);
    let with_length = |length: u32| {
        let (mut bytes, at) = (bytes.clone(), bytes.len() - 8);
        bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
        says(&bytes)
    };
    let right = bytes[bytes.len() - 8];
    for length in [0, 1, u32::from(right) - 1, u32::from(right) + 1, bytes.len() as u32, u32::MAX] {
        assert_ne!(with_length(length), "nothing", "{length}");
    }
    let chunk = || Chunk::of(8, 0, vec![good.clone()]);
    let wide: Vec<Column> = (0..5000).map(|i| Column::numbers(&format!("c{i}"))).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (file(&wide, &[]), "more columns"),
        (file(&[Column::numbers("c")], &vec![(0, vec![Chunk::of(0, 0, Vec::new())]); 40_000]), "row groups"),
        (
            file(&[Column::numbers("c")], &[(1 << 40, vec![Chunk::of(1 << 40, 0, Vec::new())])]),
            "more than 50000000 rows",
        ),
        (file(&[Column::numbers("c")], &[(40_000_000, vec![Chunk::of(40_000_000, 0, Vec::new())])]), "ratio"),
        (file(&[Column::numbers("c")], &[(-8, vec![chunk()])]), "damaged"),
        (file(&[Column::numbers("c")], &[(9, vec![chunk()])]), "damaged"),
        (file(&[Column::numbers("c")], &[(8, vec![chunk(), chunk()])]), "damaged"),
        (file(&[Column::numbers("c")], &[(8, vec![Chunk { length: Some(1 << 40), ..chunk() }])]), "damaged"),
        (file(&[Column::numbers("c")], &[(8, vec![Chunk { length: Some(1), ..chunk() }])]), damaged),
        (file(&[Column::numbers("c")], &[(8, vec![Chunk { start: Some(0), ..chunk() }])]), "damaged"),
        (file(&[Column::numbers("c")], &[(8, vec![Chunk { encrypted: true, ..chunk() }])]), "encrypted"),
        (file(&[Column { children: 1, ..Column::numbers("c") }], &[(8, vec![chunk()])]), "flat"),
        (file(&[Column { repetition: 2, ..Column::numbers("c") }], &[(8, vec![chunk()])]), "flat"),
        (file(&[Column { physical: 9, ..Column::numbers("c") }], &[(8, vec![chunk()])]), "damaged"),
        (
            file(&[Column { converted: Some(21), ..Column::numbers("c") }], &[(8, vec![chunk()])]),
            "a type that is not read",
        ),
        (file(&[Column::numbers("C")], &[(8, vec![chunk()])]), "none of the declared columns"),
        (
            file(&[Column::numbers("c"), Column::numbers("C")], &[(8, vec![chunk(), chunk()])]),
            "column 2 of the file is not",
        ),
        (file(&[Column::numbers("c"), Column::numbers("c")], &[(8, vec![chunk(), chunk()])]), "twice"),
        (file(&[Column::numbers("c")], &[]), "no rows"),
        (b"PARE....PARE".to_vec(), "encrypted"),
        (b"c\n1\n2\n3\n4\n5\n".to_vec(), "not Parquet"),
        (b"PAR1PAR1".to_vec(), "too short"),
        (b"PAR1........".to_vec(), "cut short"),
    ];
    for (bytes, says) in cases {
        let said = self::says(&bytes);
        assert!(said.contains(says), "{says}: {said}");
    }
    for codec in [3, 4, 5, 7, 99] {
        let bytes = file(&[Column::numbers("c")], &[(8, vec![Chunk::of(8, codec, vec![good.clone()])])]);
        assert!(says(&bytes).contains("codec that is not read here"), "{codec}");
    }
    let mut deep = b"PAR1".to_vec();
    deep.extend(std::iter::repeat_n(0x1c, 100_000));
    deep.extend(100_000u32.to_le_bytes());
    deep.extend(b"PAR1");
    assert!(says(&deep).contains("damaged"));
    assert!(refusal(&schema, &bytes).is_none());
}

/// Little that unpacks to much: pages within the limit, and too many of them.
#[test]
fn bombs_are_refused() {
    let zeros = vec![0u8; 16 << 20];
    let values = (zeros.len() / 8) as i64;
    let page = |codec: i64| {
        let body = match codec {
            2 => super::corpus::gzip(&zeros),
            _ => zstd::bulk::compress(&zeros, 3).unwrap(),
        };
        Page { unpacked: zeros.len() as i64, ..Page::data(values, body) }
    };
    for codec in [2, 6] {
        let chunk = Chunk::of(9 * values, codec, vec![page(codec); 9]);
        let bytes = file(&[Column::numbers("c")], &[(9 * values, vec![chunk])]);
        let said = says(&bytes);
        assert!(said.contains("more cells than the allowed ratio"), "{} bytes: {said}", bytes.len());
    }
    // Long texts, which are zero as numbers.
    let texts: Vec<u8> = (0..4000).flat_map(|_| [4000u32.to_le_bytes().to_vec(), vec![b'0'; 4000]].concat()).collect();
    let long = Page { unpacked: texts.len() as i64, ..Page::data(4000, zstd::bulk::compress(&texts, 3).unwrap()) };
    let chunk = Chunk { physical: 6, ..Chunk::of(20 * 4000, 6, vec![long; 20]) };
    let column = Column { physical: 6, ..Column::numbers("c") };
    let said = says(&file(&[column], &[(20 * 4000, vec![chunk])]));
    assert!(said.contains("unpacks to more than the allowed ratio"), "{said}");
    // Columns whose pages are too large together.
    let columns: Vec<Column> = (0..6).map(|i| Column::numbers(&format!("c{i}"))).collect();
    let declared: Vec<_> =
        (0..6).map(|i| json!({"name": format!("c{i}"), "type": "integer", "min": 0, "max": 9})).collect();
    let schema = Declaration::from_json(&json!({"columns": declared})).unwrap().schema;
    let plain = Page::data(values, zeros.clone());
    let chunks: Vec<Chunk> = (0..6).map(|_| Chunk::of(values, 0, vec![plain.clone()])).collect();
    let bytes = file(&columns, &[(values, chunks)]);
    let error = refusal(&schema, &bytes).unwrap();
    assert!(error.problems[0].reason.contains("more than 64 MiB at once"), "{error:?}");
    // Pages of nothing, one after the other.
    let empty = Page::data(0, Vec::new());
    let chunk = Chunk::of(8, 0, vec![empty; (1 << 20) + 1]);
    assert!(says(&file(&[Column::numbers("c")], &[(8, vec![chunk])])).contains("too many pages"));
    let limits = UploadLimits { rows: 7, ..UploadLimits::default() };
    let (schema, good) = one();
    let bytes = file(&[Column::numbers("c")], &[(8, vec![Chunk::of(8, 0, vec![good])])]);
    assert!(refusal_within(&schema, &bytes, limits).unwrap().problems[0].reason.contains("more than 7 rows"));
}

/// Cells that are no values of their columns: row and column, and no more of them than of a CSV.
#[test]
fn wrong_cells_are_told_by_their_places() {
    let wide = json!({"columns": [{"name": "c", "type": "integer", "min": 0, "max": 900_000}]});
    let wide = Declaration::from_json(&wide).unwrap().schema;
    let rows: Vec<Vec<u32>> = (0..100).map(|i| vec![if i == 3 || i >= 50 { 777_777 } else { 5 }]).collect();
    let narrow = json!({"columns": [{"name": "c", "type": "integer", "min": 0, "max": 9}]});
    let narrow = Declaration::from_json(&narrow).unwrap().schema;
    let error = refusal(&narrow, &written(&wide, &rows, Form::Parquet, 9)).unwrap();
    let places: Vec<u64> = error.problems.iter().map(|problem| problem.row).collect();
    let expected: Vec<u64> = std::iter::once(4).chain(51..70).collect();
    assert_eq!((places, error.stopped), (expected, true));
    assert!(
        error.problems.iter().all(|p| p.column.as_deref() == Some("c") && p.reason.contains("outside the declared"))
    );
    assert!(!format!("{error:?}").contains("777"));
}
