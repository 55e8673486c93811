//! Malformed uploads by the thousand: good tables with one fault each, of which it is known what must be said.

use dp2stage::tabular::{Declaration, Packing, Upload, UploadError, UploadLimits};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::corpus::{CANARY, HEADER, NAMES, gzip, schema};
use crate::support::{dice, repeats};

/// An upload, and the answer to it.
pub struct Generated {
    pub fault: &'static str,
    pub body: Vec<u8>,
    pub packing: Packing,
    /// The code of the refusal; none where the table may be good.
    pub code: Option<&'static str>,
    /// The row of the first problem.
    pub row: Option<u64>,
}

/// Faults in one row, and those of the whole.
const IN_A_ROW: [&str; 13] = [
    "a bad cell",
    "a field less",
    "a field more",
    "an open quote",
    "text behind a quote",
    "no UTF-8",
    "a NUL",
    "a long cell",
    "a long line",
    "many fields",
    "another delimiter",
    "the header again",
    "a comment",
];
const OF_THE_WHOLE: [&str; 17] = [
    "no header",
    "a column less",
    "a column more",
    "a column twice",
    "another case",
    "semicolons",
    "tabs",
    "single quotes",
    "UTF-16",
    "no rows",
    "nothing",
    "gzip cut",
    "gzip damaged",
    "gzip and more",
    "not gzip",
    "gzip unannounced",
    "changed bytes",
];

fn cell(column: usize, rng: &mut ChaCha8Rng) -> String {
    match column {
        0 => rng.random_range(17..=90).to_string(),
        1 => format!("{:.1}", f64::from(rng.random_range(0..=3000u32)) / 10.0),
        2 => ["A", "B", "", "\"St. John, \"\"east\"\"\""].choose(rng).copied().unwrap_or_default().into(),
        3 => format!("20{}-{:02}-{:02}", rng.random_range(20..=26), rng.random_range(1..=12), rng.random_range(1..=28)),
        4 => format!("2024-{:02}-11T{:02}:00:00Z", rng.random_range(1..=12), rng.random_range(0..24)),
        _ => ["yes", "no"].choose(rng).copied().unwrap_or_default().into(),
    }
}

/// The cells of a good row; one without quotes where they would hide what follows.
fn row(rng: &mut ChaCha8Rng, plain: bool) -> Vec<String> {
    let mut cells: Vec<String> = (0..6).map(|column| cell(column, rng)).collect();
    if plain && cells[2].contains('"') {
        cells[2] = "A".into();
    }
    cells
}

fn bad_cell(column: usize, rng: &mut ChaCha8Rng) -> String {
    let number = [CANARY, "1e", "--1", "16.x", "0x1f", "1e999", "-1e300", "\"1,5\"", "NaN", "inf", "#REF!"];
    let text = [CANARY, "a", "'B'x", "NA", "A B", "\"A\nB\"", "=1+1", "\u{410}"];
    let moment = [CANARY, "2024-13-01", "1.1.2024", "01/02/2024", "2024-02-30", "9999", "20:15", "1999-01-01"];
    let of: &[&str] = match column {
        0 | 1 => &number,
        2 | 5 => &text,
        _ => &moment,
    };
    of.choose(rng).copied().unwrap_or_default().into()
}

/// A table of lines, each with an end of its own kind.
fn text(header: &str, rows: &[Vec<String>], rng: &mut ChaCha8Rng) -> String {
    let mut out = String::from(if rng.random_bool(0.2) { "\u{feff}" } else { "" });
    for line in std::iter::once(header.to_owned()).chain(rows.iter().map(|row| row.join(","))) {
        out += &line;
        out += ["\n", "\n", "\r\n", "\r", "\n\n"].choose(rng).copied().unwrap_or_default();
    }
    out
}

/// One malformed upload.
pub fn generate(rng: &mut ChaCha8Rng) -> Generated {
    let count = rng.random_range(1..=30usize);
    let at = rng.random_range(0..count);
    let pick = rng.random_range(0..IN_A_ROW.len() + OF_THE_WHOLE.len());
    if let Some(&fault) = IN_A_ROW.get(pick) {
        return in_a_row(fault, (count, at), rng);
    }
    of_the_whole(OF_THE_WHOLE[pick - IN_A_ROW.len()], count, rng)
}

fn in_a_row(fault: &'static str, (count, at): (usize, usize), rng: &mut ChaCha8Rng) -> Generated {
    let mut rows: Vec<Vec<String>> = (0..count).map(|i| row(rng, fault == "an open quote" && i >= at)).collect();
    let column = rng.random_range(0..6usize);
    let mut raw = None;
    match fault {
        "a bad cell" => rows[at][column] = bad_cell(column, rng),
        "a field less" => drop(rows[at].remove(column)),
        "a field more" => rows[at].insert(column, CANARY.into()),
        "an open quote" => rows[at][column] = format!("\"{CANARY}"),
        "text behind a quote" => rows[at][column] = format!("\"{CANARY}\"x"),
        "no UTF-8" => raw = Some(b"\xe9".as_slice()),
        "a NUL" => raw = Some(b"\0".as_slice()),
        "a long cell" => rows[at][column] = CANARY.repeat(456),
        "a long line" => rows[at][column] = CANARY.repeat(120_000),
        "many fields" => rows[at] = vec!["1".into(); 1500],
        "another delimiter" => rows[at] = vec![row(rng, true).join(";")],
        "the header again" => rows[at] = NAMES.map(String::from).to_vec(),
        _ => rows[at] = vec![format!("# {CANARY}")],
    }
    if raw.is_some() {
        rows[at][column] = "zq9here".into();
    }
    let mut body = text(HEADER, &rows, rng).into_bytes();
    if let Some(bytes) = raw {
        let place = body.windows(7).position(|w| w == b"zq9here").expect("it is there");
        body.splice(place..place + 3, bytes.iter().copied());
    }
    let packing = if rng.random_bool(0.2) { Packing::Gzip } else { Packing::Plain };
    if packing == Packing::Gzip {
        // Much of the same packs too well: that is another refusal.
        body = if body.len() > 1 << 20 { return in_a_row("a bad cell", (count, at), rng) } else { gzip(&body) };
    }
    Generated { fault, body, packing, code: Some("csv_invalid"), row: Some(at as u64 + 1) }
}

fn of_the_whole(fault: &'static str, count: usize, rng: &mut ChaCha8Rng) -> Generated {
    let rows: Vec<Vec<String>> = (0..count).map(|_| row(rng, true)).collect();
    let column = rng.random_range(0..6usize);
    let mut names = NAMES.map(String::from).to_vec();
    match fault {
        "a column less" => drop(names.remove(column)),
        "a column more" => names.insert(column, CANARY.into()),
        "a column twice" => names[column] = NAMES[(column + 1) % 6].into(),
        "another case" => names[column] = names[column].to_uppercase(),
        _ => {}
    }
    let header = if fault == "no header" { row(rng, true).join(",") } else { names.join(",") };
    let table = text(&header, &rows, rng);
    let good = table.clone().into_bytes();
    let (mut packed, place) = (gzip(&good), rng.random_range(0..good.len()));
    let (mut packing, mut code, mut at) = (Packing::Plain, Some("csv_invalid"), Some(0));
    let body = match fault {
        "semicolons" => table.replace(',', ";").into(),
        "tabs" => table.replace(',', "\t").into(),
        "single quotes" => table.replace(',', "','").replace("age", "'age").into(),
        "UTF-16" => table.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "no rows" => format!("{header}\n").into(),
        "nothing" => ["", "\u{feff}", "\n", "\r\n\r\n"].choose(rng).copied().unwrap_or_default().into(),
        "gzip unannounced" => packed,
        "changed bytes" => {
            (code, at) = (None, None);
            let mut changed = good;
            for _ in 0..rng.random_range(1..=8) {
                let place = rng.random_range(0..changed.len());
                match rng.random_range(0..3) {
                    0 => changed[place] = rng.random(),
                    1 => changed.insert(place, *b"\",\n\r\0;'=".choose(rng).unwrap_or(&0)),
                    _ => drop(changed.drain(place..(place + 3).min(changed.len()))),
                }
                if changed.is_empty() {
                    changed.push(b'x');
                }
            }
            changed
        }
        "gzip cut" | "gzip damaged" | "gzip and more" | "not gzip" => {
            (packing, at) = (Packing::Gzip, None);
            let end = packed.len();
            match fault {
                "gzip cut" => {
                    code = Some("gzip_truncated");
                    packed.truncate(place % end);
                }
                "gzip damaged" => {
                    code = Some("gzip_invalid");
                    packed[end - 8 + place % 8] ^= 1 << (place % 8);
                }
                "gzip and more" => {
                    code = Some("gzip_trailing");
                    packed.extend(CANARY.bytes());
                }
                _ => {
                    code = Some("gzip_invalid");
                    packed = good;
                }
            }
            packed
        }
        _ => good,
    };
    Generated { fault, body, packing, code, row: at }
}

/// S1, in the library: the right code for the right row, whatever the pieces, and not a word of the upload.
#[test]
fn generated_faults_are_refused_for_what_they_are() {
    let (mut rng, schema) = (dice("generated uploads"), Declaration::from_json(&schema()).unwrap().schema);
    let count = repeats(2000, 10_000);
    for number in 0..count {
        let case = generate(&mut rng);
        let run = |piece: usize| {
            let mut upload = Upload::new(&schema, case.packing, UploadLimits::default());
            for bytes in case.body.chunks(piece) {
                upload.push(bytes, &mut |_, _| {})?;
            }
            upload.finish(&mut |_, _| {})
        };
        let result = run(usize::MAX);
        assert_eq!(result, run(rng.random_range(1..4000)), "{}: {number}", case.fault);
        let Err(error) = result else {
            assert!(case.code.is_none(), "{} passed: {:?}", case.fault, String::from_utf8_lossy(&case.body));
            continue;
        };
        let said = format!("{error} {error:?}");
        assert!(!said.contains("zq9"), "{}: {said}", case.fault);
        if let Some(code) = case.code {
            assert_eq!(error.code(), code, "{}: {said}", case.fault);
        }
        if let (UploadError::Csv(error), Some(row)) = (&error, case.row) {
            assert_eq!(error.problems[0].row, row, "{}: {said} {:?}", case.fault, String::from_utf8_lossy(&case.body));
        }
    }
    println!("S1: {count} generated uploads");
}
