//! More malformed uploads: tables as people have them, in other dialects, encodings and habits, and storms.

use super::corpus::{CANARY, Case, HEADER, ROW, csv, gzip, with_cell};
use dp2stage::tabular::Packing;

/// All of them.
pub fn cases() -> Vec<Case> {
    let mut cases = headers();
    cases.extend(whole_tables());
    cases.extend(quotes());
    cases.extend(cells());
    cases.extend(rows());
    cases.extend(storms());
    cases
}

fn row() -> String {
    ROW.join(",")
}

fn headers() -> Vec<Case> {
    let row = row();
    let case =
        |name: &str, header: &str, column, says| csv(name, format!("{header}\n{row}\n"), 0, column, says, "71.5");
    let none = "first line must be the header";
    vec![
        case("title case", "Age,Weight,Ward,Admitted,Seen,Outcome", None, "rename it to \"age\""),
        case("one in title case", "age,Weight,ward,admitted,seen,outcome", None, "field 2 of the header is not"),
        case("underscores", "age,weight,ward,admitted_,seen,outcome", None, "rename it to \"admitted\""),
        case("a letter missing", "age,weght,ward,admitted,seen,outcome", None, "nearly \"weight\""),
        case("letters swapped", "age,wieght,ward,admitted,seen,outcome", None, "nearly \"weight\""),
        case("a unit in the name", "age,weight (kg),ward,admitted,seen,outcome", None, "nearly \"weight\""),
        case("another language", "age,gewicht,ward,admitted,seen,outcome", None, "remove it from the table"),
        case(
            "a comma too many",
            &format!("{HEADER},"),
            None,
            "field 7 of the header is not a declared column and has no",
        ),
        case("ten commas too many", &format!("{HEADER},,,,,,,,,,"), None, "the comma too many"),
        case("one missing, one extra", "age,weight,ward,admitted,seen,kin", None, "field 6 of the header"),
        case("two missing", "age,weight,ward,admitted", Some("seen"), "missing from the header"),
        case("target alone", "outcome", Some("age"), "missing from the header"),
        case(
            "twice and missing",
            "age,age,ward,admitted,seen,outcome",
            Some("age"),
            "twice in the header, as fields 1",
        ),
        case("a mark of order twice", &format!("\u{feff}\u{feff}{HEADER}"), None, "rename it to \"age\""),
        case("a hard blank", &format!("\u{a0}{HEADER}"), None, "rename it to \"age\""),
        case("a blank of no width", &format!("\u{200b}{HEADER}"), None, "rename it to \"age\""),
        case("wide commas", &HEADER.replace(',', "\u{ff0c}"), None, none),
        case("blanks between", &HEADER.replace(',', " "), None, none),
        case("colons between", &HEADER.replace(',', ":"), None, none),
        case("numbers for names", "0,1,2,3,4,5", None, none),
        case("a note of the separator", &format!("sep=,\n{HEADER}"), None, "a spreadsheet's note"),
        case("a note of semicolons", &format!("sep=;\n{}", HEADER.replace(',', ";")), None, "a spreadsheet's note"),
        case("a title above", &format!("Patients of 2024\n{HEADER}"), None, none),
        case("a fence of dashes", &format!("+-----+\n{HEADER}"), None, none),
        case("columns by the hundred", &format!("{HEADER}{}", ",zq9canary".repeat(900)), None, "field 7 of the header"),
        case("columns by 100,000", &format!("{HEADER}{}", ",x".repeat(99_994)), None, "more than 1024 fields"),
        case("nameless by 100,000", &",".repeat(99_999), None, "more than 1024 fields"),
        case("a very long name", &format!("{HEADER},{}", "x".repeat(500_000)), None, "field 7 of the header"),
    ]
}

fn whole_tables() -> Vec<Case> {
    let table = format!("{HEADER}\n{}\n{}\n", row(), row());
    let units = |order: fn(u16) -> [u8; 2]| table.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let wide: Vec<u8> =
        std::iter::once('\u{feff}').chain(table.chars()).flat_map(|c| (c as u32).to_le_bytes()).collect();
    let quoted = |quote: &str, comma: &str| {
        let line = |line: &str| {
            line.split(',').map(|cell| format!("{quote}{cell}{quote}")).collect::<Vec<_>>().join(comma) + "\n"
        };
        table.lines().map(line).collect::<String>()
    };
    let latin: Vec<u8> = [b"age,w\xe9ight,ward,admitted,seen,outcome\n".as_slice(), row().as_bytes(), b"\n"].concat();
    let all_latin = [b"\xe2ge;w\xe9ight\n".as_slice(), row().as_bytes(), b"\n"].concat();
    let case = |name: &str, body: Vec<u8>, says| csv(name, body, 0, None, says, "71.5");
    let between = |open: &str, close: &str| table.lines().map(|l| format!("{open}{l}{close}\n")).collect::<String>();
    vec![
        case("UTF-16 without a mark, little end", units(u16::to_le_bytes), "UTF-16"),
        case("UTF-16 without a mark, big end", units(u16::to_be_bytes), "UTF-16"),
        case("UTF-32", wide, "UTF-16"),
        case("Latin-1 in the header", latin, "Latin-1"),
        case("Latin-1 and semicolons", all_latin, "Latin-1"),
        case("single quotes", quoted("'", ",").into(), "quoted in another way"),
        case("typographic quotes", quoted("\u{201c}", ",").into(), "rename it to \"age\""),
        case("backticks", quoted("`", ",").into(), "rename it to \"age\""),
        case("quotes and semicolons", quoted("\"", ";").into(), "separated by semicolons"),
        case("quotes and tabs", quoted("\"", "\t").into(), "separated by tabs"),
        case("single quotes and semicolons", quoted("'", ";").into(), "separated by semicolons"),
        case("blanks before quotes", quoted("\"", ", ").into(), "rename it to \"weight\""),
        case("semicolons with blanks", table.replace(',', " ; ").into(), "separated by semicolons"),
        case("lines between quotes", between("\"", "\"").into(), "each line is between quotes"),
        case("a table of a manual", between("| ", " |").replace(',', " | ").into(), "separated by bars"),
        case("SQL", between("insert into t values (", ");").into(), "field 1 of the header is not"),
        case("XML", between("<row>", "</row>").into(), "field 1 of the header is not"),
        case("YAML", "- age: 42\n  ward: zq9canary\n".into(), "first line must be the header"),
        case("a bad gateway", "<html><body>502 zq9canary</body></html>".into(), "first line must be the header"),
        case("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "not UTF-8"),
        case("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), "first line must be the header"),
        case("SQLite", b"SQLite format 3\0\x10\0\x01\x01\0".to_vec(), "first line must be the header"),
        case("an old spreadsheet", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "not UTF-8"),
        case("zstd", b"\x28\xb5\x2f\xfd\x04\x58".to_vec(), "Content-Encoding: zstd"),
        case("bzip2", b"BZh91AY&SY\x0f\xee".to_vec(), "not UTF-8"),
        case("only quotes", "\"\"\n\"\"\n".into(), "first line must be the header"),
        case("one NUL", b"\0".to_vec(), "first line must be the header"),
        case("a quote alone", "\"".into(), "never closed"),
    ]
}

fn quotes() -> Vec<Case> {
    let row = row();
    let table = |line: &str| format!("{HEADER}\n{row}\n{line}\n{row}\n");
    let behind = "text behind a closing quote";
    let otherwise = "quoted in another way";
    let case = |name: &str, line: &str, column, says| csv(name, table(line), 2, Some(column), says, CANARY);
    vec![
        case("letters behind a quote", "42,71.5,\"A\"zq9canary,2024-02-29,x,yes", "ward", behind),
        case("digits behind a quote", "\"4\"2,71.5,A,2024-02-29,x,yes", "age", behind),
        case("a quote in quotes", "42,71.5,\"St. John, \"east\"\",2024-02-29,x,yes", "ward", behind),
        case("a backslash before a quote", "42,71.5,\"a \\\"zq9canary\\\" b\",2024-02-29,x,yes", "ward", behind),
        case("quote, blank, text", "42,71.5,\"A\" zq9canary,2024-02-29,x,yes", "ward", behind),
        case("quote, blank, quote", "42,71.5,\"A\" \"B\",2024-02-29,x,yes", "ward", behind),
        case("semicolon behind a quote", "\"42\";\"71.5\";\"A\"", "age", behind),
        case("three quotes", "42,71.5,A,2024-02-29,x,\"\"\"", "outcome", "never closed"),
        case("single quotes", "42,71.5,'A',2024-02-29,2024-05-01T13:00:00Z,yes", "ward", otherwise),
        case("a number in single quotes", "'42',71.5,A,2024-02-29,2024-05-01T13:00:00Z,yes", "age", otherwise),
        case("a blank before a quote", "42,71.5, \"A\",2024-02-29,2024-05-01T13:00:00Z,yes", "ward", otherwise),
        case("a number after a blank", "42, \"71.5\",A,2024-02-29,2024-05-01T13:00:00Z,yes", "weight", otherwise),
        case("quotes within quotes", "42,71.5,\"\"\"A\"\"\",2024-02-29,2024-05-01T13:00:00Z,yes", "ward", otherwise),
    ]
}

fn cells() -> Vec<Case> {
    let (number, bounds, category) = ("not a number", "outside the declared min and max", "not one of the");
    let (date, moment) = ("not a date: write 2026-11-23", "not a date and time");
    let cells: [(usize, &'static str, &[&[u8]], &'static str); 12] = [
        (0, "age", &[b"\"1,042\"", b"\"42,0\"", b"\"4,2,0\""], "a point before the decimals"),
        (
            0,
            "age",
            &[b"4 2", b"42%", b"$42", b"forty-two", b"4e", b"e4", b"--42", b"42-", b"(42)", b"=42", b"42=1"],
            number,
        ),
        (0, "age", &[b"#REF!", b"#N/A", b"NULL", b"\\N", b"None", b"null", b"?", b"*", b"TRUE", b"'42"], number),
        (0, "age", &[b"42\x0b", b"\x1b[31m42", b"42\xc2\xa0", b"\xe2\x88\x9242", b"\xef\xbc\x94\xef\xbc\x92"], number),
        (0, "age", &[b"4\xc0\xb2", b"\xf8\x88\x80\x80\x80", b"\xf4\x90\x80\x80", b"42\xc3", b"\xfe\xff"], "not UTF-8"),
        (1, "weight", &[b"\"71,5\"", b"\"1.000,5\"", b"\"1'000,5\""], "a point before the decimals"),
        (1, "weight", &[b"1e30", b"-1e-30", b"99999999999999999999.5", b"300.06"], bounds),
        (
            2,
            "ward",
            &[b"ward", b"#VALUE!", b"nil", b"-", b"A;", b"=A", b"B\xe2\x80\xa8", b"\"B\nB\"", b"AB", b"0"],
            category,
        ),
        (2, "ward", &[b"caf\xe9 zq9canary", b"\x93A\x94", b"A\x80", b"\xed\xb0\x80zq9canary"], "Latin-1"),
        (
            3,
            "admitted",
            &[b"29.02.2024", b"02/29/2024", b"Feb 29 2024", b"2024-W09-4", b"2024/02/29", b"20240229"],
            date,
        ),
        (4, "seen", &[b"1714568400", b"2024-05-01 1pm", b"2024-05-01T24:01:00Z", b"01.05.2024 13:00", b"now"], moment),
        (5, "outcome", &[b"true", b"YES", b"y", b"yes.", b"yes;no", b"\xd1\x83es", b"zq9canary"], category),
    ];
    let mut cases = Vec::new();
    for (column, name, bad, says) in cells {
        for cell in bad {
            let title = format!("{name}: {}", cell.escape_ascii());
            cases.push(csv(&title, with_cell(2, column, cell), 2, Some(name), says, CANARY));
        }
    }
    cases
}

fn rows() -> Vec<Case> {
    let row = row();
    let bad = row.replace("71.5", CANARY);
    let number = "not a number";
    let case = |name: &str, body: String, row, column, says| csv(name, body, row, column, says, CANARY);
    vec![
        case("line ends of three kinds", format!("{HEADER}\r{row}\r\n{row}\n\r{bad}\r\n"), 3, Some("weight"), number),
        case("line ends reversed", format!("{HEADER}\n\r{row}\n\r{bad}\n\r"), 2, Some("weight"), number),
        case("no line end at the end", format!("{HEADER}\n{row}\n{bad}"), 2, Some("weight"), number),
        case("a mark of order in the middle", format!("{HEADER}\n{row}\n\u{feff}{row}\n"), 2, Some("age"), number),
        case("two files in one", format!("{HEADER}\n{row}\n\u{feff}{HEADER}\n{row}\n"), 2, Some("age"), number),
        case("the end of a file of old", format!("{HEADER}\n{row}\n\x1a"), 2, None, "has 1 fields"),
        case("a sum below", format!("{HEADER}\n{row}\nTotal,zq9canary,,,,\n"), 2, Some("age"), number),
        case("a note below", format!("{HEADER}\n{row}\n* zq9canary\n"), 2, None, "has 1 fields"),
        case("commas alone", format!("{HEADER}\n{row}\n,,,,,\n"), 2, Some("age"), "is empty"),
        case("semicolons below", format!("{HEADER}\n{}\n", row.replace(',', ";")), 1, None, "separated by semicolons"),
        case("tabs below", format!("{HEADER}\n{}\n", row.replace(',', "\t")), 1, None, "separated by tabs"),
        case("NULs below", format!("{HEADER}\n{row}\n\0\0\0\0\n"), 2, None, "has 1 fields"),
        case("a row in a row", format!("{HEADER}\n{row},{row}\n"), 1, None, "has 12 fields"),
        case("a line end in a cell", format!("{HEADER}\n{}\n", row.replace("71.5", "71\n.5")), 1, None, "has 2 fields"),
        case("one field too many of 1024", format!("{HEADER}\n{}\n", ",".repeat(1024)), 1, None, "has 1025 fields"),
        case("the most fields", format!("{HEADER}\n{}\n", ",".repeat(1023)), 1, None, "has 1024 fields"),
    ]
}

/// Bodies that would have a careless reader hold or do very much.
fn storms() -> Vec<Case> {
    let row = row();
    let case = |name: &str, body: String, row, column, says| csv(name, body, row, column, says, CANARY);
    let storm = |text: &str, bytes: usize| format!("{HEADER}\n{row}\n{}", text.repeat(bytes / text.len()));
    let packed = |case: Case| Case {
        name: format!("gzip: {}", case.name),
        body: gzip(&case.body),
        packing: Packing::Gzip,
        code: "gzip_ratio",
        place: None,
        says: "ratio",
        ..case
    };
    vec![
        case("quotes, an odd number", storm("\"", 8193), 2, Some("age"), "never closed"),
        case("quotes without an end", storm("\"", 3 << 20), 2, Some("age"), "longer than 1048576 bytes"),
        case("quote and comma", storm("\",", 1 << 20), 2, None, "more than 1024 fields"),
        case("fields of quotes", storm("\"\",", 1 << 20), 2, None, "more than 1024 fields"),
        case("quotes and line ends", storm("\"\n", 1 << 20), 2, None, "has 1 fields"),
        case("a line of blanks", storm(" ", 3 << 20), 2, Some("age"), "longer than 1048576 bytes"),
        case("a line of commas", storm(",", 3 << 20), 2, None, "more than 1024 fields"),
        case("a line of NULs", storm("\0", 3 << 20), 2, Some("age"), "longer than 1048576 bytes"),
        packed(case("a line without an end", storm("x", 8 << 20), 2, Some("age"), "")),
        packed(case("line ends without an end", format!("{HEADER}\n{}", "\n".repeat(8 << 20)), 0, None, "")),
    ]
}
