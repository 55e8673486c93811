//! Malformed uploads and what must be said about each. The tests of the API send the same cases.

use std::io::Write;

use dp2stage::tabular::Packing;
use serde_json::{Value, json};

/// One upload that must be refused.
pub struct Case {
    /// What is wrong with it.
    pub name: String,
    /// The body.
    pub body: Vec<u8>,
    /// How the body claims to be packed.
    pub packing: Packing,
    /// The code of the refusal.
    pub code: &'static str,
    /// Row and column of the first problem, for `csv_invalid`.
    pub place: Option<(u64, Option<&'static str>)>,
    /// A piece of the first problem's reason, or of the error.
    pub says: &'static str,
    /// Text of the upload that must appear in no message.
    pub secret: String,
}

/// A word that stands in bad cells and must stand in no message.
pub const CANARY: &str = "zq9canary";

pub const HEADER: &str = "age,weight,ward,admitted,seen,outcome";
pub const NAMES: [&str; 6] = ["age", "weight", "ward", "admitted", "seen", "outcome"];
pub const ROW: [&str; 6] = ["42", "71.5", "A", "2024-02-29", "2024-05-01T13:00:00Z", "yes"];

/// The declaration of every case.
pub fn schema() -> Value {
    json!({"columns": [
        {"name": "age", "type": "integer", "min": 17, "max": 90},
        {"name": "weight", "type": "number", "min": 0, "max": 300, "step": 0.1},
        {"name": "ward", "type": "categorical", "categories": ["A", "B", "St. John, \"east\""], "nullable": true},
        {"name": "admitted", "type": "datetime", "min": "2020-01-01", "max": "2026-12-31"},
        {"name": "seen", "type": "datetime", "min": "2024-01-01", "max": "2024-12-31", "step": "1h"},
        {"name": "outcome", "type": "categorical", "categories": ["yes", "no"]}],
      "target": "outcome", "positive": "yes"})
}

/// A good table of that many rows.
pub fn good(rows: usize) -> Vec<u8> {
    let mut text = format!("{HEADER}\n");
    for _ in 0..rows {
        text += &ROW.join(",");
        text.push('\n');
    }
    text.into_bytes()
}

/// Bytes, packed by gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All cases, more than two hundred.
pub fn cases() -> Vec<Case> {
    let mut cases = bad_cells();
    cases.extend(bad_headers());
    cases.extend(bad_rows());
    cases.extend(bad_files());
    cases.extend(bad_gzip());
    cases.extend(super::dialects::cases());
    cases
}

/// A case of a plain CSV.
pub fn csv(
    name: &str,
    body: impl Into<Vec<u8>>,
    row: u64,
    column: Option<&'static str>,
    says: &'static str,
    secret: &str,
) -> Case {
    let (name, secret, place) = (name.to_owned(), secret.to_owned(), Some((row, column)));
    Case { name, body: body.into(), packing: Packing::Plain, code: "csv_invalid", place, says, secret }
}

/// One bad cell in an otherwise good table, each in another row.
fn bad_cells() -> Vec<Case> {
    let long_number = format!("{}42", "0".repeat(5000));
    let long_text = CANARY.repeat(600);
    let number = "not a number";
    let whole = "not a whole number";
    let bounds = "outside the declared min and max";
    let category = "not one of the";
    let date = "not a date: write 2026-11-23";
    let moment = "not a date and time";
    let empty = "is empty";
    let cells: [&[(&[u8], &'static str)]; 6] = [
        &[
            (b"16", bounds),
            (b"91", bounds),
            (b"-42", bounds),
            (b"999999999999999999999999", bounds),
            (b"1e18", bounds),
            (b"17.5", whole),
            (b"1e-3", whole),
            (b"42.0000000000000000000000000001e-3", whole),
            (b"zq9canary", number),
            (b"NaN", number),
            (b"infinity", number),
            (b"1e400", number),
            (b"-", number),
            (b"+-5", number),
            (b"0x2a", number),
            (b"4_2", number),
            (b"\"4,2\"", number),
            (b"42 years", number),
            ("\u{664}\u{662}".as_bytes(), number),
            (b"42\0", "NUL byte"),
            (b"zq9canary\xff", "not UTF-8"),
            (b"", empty),
            (b"  ", empty),
            (b"\"\"", empty),
            (long_number.as_bytes(), "longer than 4096 bytes"),
        ],
        &[
            (b"300.1", bounds),
            (b"300.0000001", bounds),
            (b"-0.1", bounds),
            (b"-0.00001", bounds),
            (b"1e3", bounds),
            (b"71.5.1", number),
            (b".", number),
            (b"\"71,5\"", number),
            (b"71.5kg", number),
            (b"nan", number),
            (b"71.5\0zq9canary", "NUL byte"),
            (b"\xc3\x28zq9canary", "not UTF-8"),
            (b"", empty),
        ],
        &[
            (b"C", category),
            (b"a", category),
            (b"zq9canary", category),
            (b"A,", "fields, but 6 columns"),
            (b"\"A,B\"", category),
            (b"NA", category),
            (b"\"A\"\"\"", category),
            ("\u{410}".as_bytes(), category),
            (b"A\0", "NUL byte"),
            (b"\xffzq9canary", "not UTF-8"),
            (b"\xed\xa0\x80", "not UTF-8"),
            (long_text.as_bytes(), "longer than 4096 bytes"),
        ],
        &[
            (b"2019-12-31", bounds),
            (b"2027-01-01", bounds),
            (b"2027-01-01T00:00:00Z", bounds),
            (b"2021-02-29", date),
            (b"2021-13-01", date),
            (b"2021-00-10", date),
            (b"21-01-01", date),
            (b"01/02/2021", date),
            (b"2021-1-1", date),
            (b"2021-01-01T25:00:00Z", date),
            (b"2021-01-01T12", date),
            (b"2021-01-01zq9canary", date),
            (b"44197", date),
            (b"zq9canary", date),
            (b"", empty),
        ],
        &[
            (b"2023-12-31T23:59:59Z", bounds),
            (b"2025-01-01T00:00:00Z", bounds),
            (b"2024-05-01T13:60:00Z", moment),
            (b"2024-05-01T13:00:00+99:00", moment),
            (b"2024-05-01T13:00:00.Z", moment),
            (b"13:00", moment),
            (b"zq9canary", moment),
            (b"", empty),
        ],
        &[(b"Yes", category), (b"zq9canary", category), (b"1", category), (b"", empty), (b"\" \"", empty)],
    ];
    let mut cases = Vec::new();
    for (column, bad) in cells.into_iter().enumerate() {
        for &(cell, says) in bad {
            let row = cases.len() as u64 % 4 + 1;
            let text = String::from_utf8_lossy(cell);
            let named = (!says.contains("fields")).then_some(NAMES[column]);
            // Very short cells stand in messages by accident.
            let secret = if text.contains(CANARY) || text.trim().len() < 4 { CANARY } else { &text };
            let name = format!("{} {:.20}", NAMES[column], text.escape_debug().to_string());
            cases.push(csv(&name, with_cell(row, column, cell), row, named, says, secret));
        }
    }
    cases
}

/// A table of five rows with one cell replaced.
pub fn with_cell(row: u64, column: usize, cell: &[u8]) -> Vec<u8> {
    let mut body = format!("{HEADER}\n").into_bytes();
    for i in 1..=5 {
        let mut cells = ROW.map(str::as_bytes);
        if i == row {
            cells[column] = cell;
        }
        body.extend(cells.join(&b","[..]));
        body.push(b'\n');
    }
    body
}

fn bad_headers() -> Vec<Case> {
    let row = ROW.join(",");
    let head = |header: &str| format!("{header}\n{row}\n");
    let none = "first line must be the header";
    vec![
        csv("no header", format!("{row}\n{row}\n"), 0, None, none, "2024-02-29"),
        csv("another table", "name,town\nzq9canary,x\n", 0, None, none, "town"),
        csv("upper case", head(&HEADER.to_uppercase()), 0, None, "but \"age\" with other case", "WEIGHT"),
        csv("semicolons", head(HEADER).replace(',', ";"), 0, None, "separated by semicolons", "71.5"),
        csv("tabs", head(HEADER).replace(',', "\t"), 0, None, "separated by tabs", "71.5"),
        csv("bars", head(HEADER).replace(',', "|"), 0, None, "separated by bars", "71.5"),
        csv("quoted semicolons", head("\"x\"\";\"age\";\"ward\""), 0, None, "separated by semicolons", "71.5"),
        csv("column missing", head("age,weight,ward,admitted,seen"), 0, Some("outcome"), "missing", "71.5"),
        csv("column repeated", head("age,weight,ward,admitted,seen,age"), 0, Some("age"), "twice", "71.5"),
        csv("column undeclared", head(&format!("{HEADER},{CANARY}")), 0, None, "field 7 of the header", CANARY),
        csv("index column", head(&format!(",{HEADER}")), 0, None, "field 1 of the header", "71.5"),
        csv("misspelt", head("age,weight,zq9canary,admitted,seen,outcome"), 0, None, "field 3", CANARY),
        csv("NUL in header", head("age\0,weight,ward,admitted,seen,outcome"), 0, None, "field 1", "71.5"),
        csv("comment first", format!("# zq9canary\n{}", head(HEADER)), 0, None, none, CANARY),
        csv("open quote in header", format!("\"{}", head(HEADER)), 0, None, "never closed", "71.5"),
        csv("thousands of columns", head(&"zq9canary,".repeat(3000)), 0, None, "more than 1024 fields", CANARY),
        csv("endless header", head(&CANARY.repeat(200_000)), 0, None, "longer than 1048576 bytes", CANARY),
    ]
}

fn bad_rows() -> Vec<Case> {
    let row = ROW.join(",");
    let table = |lines: &[&str]| format!("{HEADER}\n{}\n", lines.join("\n"));
    let short = "42,71.5,A,2024-02-29,zq9canary";
    let count = "fields, but 6 columns are declared";
    let open = format!("42,71.5,A,\"2024-02-29 {CANARY},x,yes");
    let endless = format!("42,71.5,\"{}", CANARY.repeat(200_000));
    let unclosed = "is never closed";
    vec![
        csv("too few fields", table(&[&row, short]), 2, None, "has 5 fields", CANARY),
        csv("one field", table(&[CANARY, &row]), 1, None, "has 1 fields", CANARY),
        csv("too many fields", table(&[&row, &row, &format!("{row},{CANARY}")]), 3, None, "has 7 fields", CANARY),
        csv("delimiter at the end", table(&[&format!("{row},")]), 1, None, count, "71.5"),
        csv("semicolons below", table(&[&row.replace(',', ";")]), 1, None, count, "71.5"),
        csv("blanks are a row", table(&[&row, "   "]), 2, None, "has 1 fields", "71.5"),
        csv("header twice", table(&[&row, HEADER]), 2, Some("age"), "not a number", "71.5"),
        csv("blank lines do not count", table(&["", &row, "", "", short]), 2, None, "has 5 fields", CANARY),
        csv("open quote", table(&[&row, &open, &row]), 2, Some("admitted"), unclosed, CANARY),
        csv("open quote at the end", format!("{HEADER}\n{row}\n\""), 2, Some("age"), unclosed, "71.5"),
        csv("open quote, escaped", format!("{HEADER}\n42,1,\"A\"\"\n"), 1, Some("ward"), unclosed, "71.5"),
        csv("endless cell", table(&[&row, &endless]), 2, Some("ward"), "longer than 1048576 bytes", CANARY),
        csv("endless fields", table(&[&row, &"zq9canary,".repeat(3000)]), 2, None, "more than 1024", CANARY),
        csv("cut in a row", format!("{HEADER}\n{row}\n42,71.5"), 2, None, "has 2 fields", "71.5"),
        csv("a moved column", table(&["A,42,71.5,2024-02-29,x,yes"]), 1, Some("age"), "not a number", "71.5"),
    ]
}

fn bad_files() -> Vec<Case> {
    let utf16 = |little: bool| -> Vec<u8> {
        let units =
            std::iter::once(0xfeff).chain(String::from_utf8(good(2)).unwrap().encode_utf16().collect::<Vec<_>>());
        units.flat_map(|unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    let none = "first line must be the header";
    vec![
        csv("empty file", "", 0, None, "the file is empty", CANARY),
        csv("only a byte order mark", "\u{feff}", 0, None, "the file is empty", CANARY),
        csv("one byte of a mark", b"\xef".to_vec(), 0, None, "not UTF-8", CANARY),
        csv("only line ends", "\n\r\n\n", 0, None, "the file is empty", CANARY),
        csv("only a header", format!("{HEADER}\n"), 0, None, "not followed by any row", CANARY),
        csv("only a header, no line end", HEADER, 0, None, "not followed by any row", CANARY),
        csv("header and blank lines", format!("{HEADER}\n\n\n"), 0, None, "not followed by any row", CANARY),
        csv("UTF-16, little end first", utf16(true), 0, None, "UTF-16", "71.5"),
        csv("UTF-16, big end first", utf16(false), 0, None, "UTF-16", "71.5"),
        csv("gzip sent as plain", gzip(&good(2)), 0, None, "Content-Encoding", "71.5"),
        csv("a spreadsheet", b"PK\x03\x04zq9canary".to_vec(), 0, None, "spreadsheet", CANARY),
        csv(
            "parquet",
            b"PAR1zq9canary\x15\x04\x00PAR1".to_vec(),
            0,
            None,
            "Content-Type: application/vnd.apache.parquet",
            CANARY,
        ),
        csv("JSON", "{\"zq9canary\": [1, 2]}", 0, None, none, CANARY),
        csv("JSON rows", "[{\"age\":42,\"ward\":\"zq9canary\"}]", 0, None, none, CANARY),
        csv("a page", "<!doctype html>\n<title>zq9canary</title>\n", 0, None, none, CANARY),
        csv("NULs", vec![0; 4096], 0, None, none, CANARY),
        csv(
            "noise",
            (0..9000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect::<Vec<_>>(),
            0,
            None,
            "not UTF-8",
            CANARY,
        ),
    ]
}

fn bad_gzip() -> Vec<Case> {
    let (table, packed) = (good(50), gzip(&good(50)));
    let changed = |at: usize, byte: u8| {
        let mut bytes = packed.clone();
        bytes[at] = byte;
        bytes
    };
    let case = |name: &str, body: Vec<u8>, code: &'static str, says: &'static str| Case {
        name: format!("gzip: {name}"),
        body,
        packing: Packing::Gzip,
        code,
        place: None,
        says,
        secret: "71.5".into(),
    };
    let inner = |case: Case| Case {
        name: format!("gzip: {}", case.name),
        body: gzip(&case.body),
        packing: Packing::Gzip,
        ..case
    };
    let (length, checksum) = (packed.len(), packed[packed.len() - 8]);
    let mut cases = vec![
        case("no bytes", Vec::new(), "gzip_truncated", "cut short"),
        case("three bytes", packed[..3].to_vec(), "gzip_truncated", "cut short"),
        case("header alone", packed[..10].to_vec(), "gzip_truncated", "cut short"),
        case("half", packed[..length / 2].to_vec(), "gzip_truncated", "cut short"),
        case("no checksum", packed[..length - 8].to_vec(), "gzip_truncated", "cut short"),
        case("last byte missing", packed[..length - 1].to_vec(), "gzip_truncated", "cut short"),
        case("second member cut", two_members(&table), "gzip_truncated", "cut short"),
        case("plain text", table.clone(), "gzip_invalid", "not gzip"),
        case("a zlib stream", b"\x78\x9c\x03\x00\x00\x00\x00\x01".to_vec(), "gzip_invalid", "not gzip"),
        case("two letters", b"ag".to_vec(), "gzip_invalid", "not gzip"),
        case("another method", changed(2, 7), "gzip_invalid", "not gzip"),
        case("reserved block", changed(10, 0x07), "gzip_invalid", "damaged"),
        case("checksum", changed(length - 8, !checksum), "gzip_invalid", "damaged"),
        case("length", changed(length - 1, 0xff), "gzip_invalid", "damaged"),
        case("other bytes after it", [&packed[..], b"zq9canary"].concat(), "gzip_trailing", "followed by other bytes"),
        case("zeros after it", [&packed[..], &[0; 512]].concat(), "gzip_trailing", "followed by other bytes"),
        case("a bomb", gzip(&good(200_000)), "gzip_ratio", "ratio"),
    ];
    cases.push(inner(csv("packed twice", packed.clone(), 0, None, "Content-Encoding", "71.5")));
    cases.push(inner(csv("bad cell", with_cell(3, 0, b"zq9canary"), 3, Some("age"), "not a number", CANARY)));
    cases.push(inner(csv("nothing within", "", 0, None, "the file is empty", CANARY)));
    cases
}

/// A table in two members of which the second is cut.
fn two_members(table: &[u8]) -> Vec<u8> {
    let (head, rest) = table.split_at(table.len() / 2);
    let rest = gzip(rest);
    [&gzip(head)[..], &rest[..rest.len() - 9]].concat()
}
