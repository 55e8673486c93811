//! The first line of a table: which field holds which declared column.

use std::collections::HashMap;

use super::problem::CsvProblem;

/// The column of each field, by name; every column exactly once.
///
/// # Errors
/// Problems of row 0. They name declared columns and positions and never the text found, because
/// where the header is missing that text is somebody's data.
pub(super) fn order(fields: &[&[u8]], columns: &[&str]) -> Result<Vec<usize>, Vec<CsvProblem>> {
    let names: HashMap<&[u8], usize> = columns.iter().enumerate().map(|(j, name)| (name.as_bytes(), j)).collect();
    let find = |field: &[u8]| names.get(field).or_else(|| names.get(field.trim_ascii())).copied();
    let found: Vec<Option<usize>> = fields.iter().map(|field| find(field)).collect();
    if found.iter().all(Option::is_none) {
        return Err(vec![CsvProblem::of_row(0, no_header(fields, |piece| find(piece).is_some()))]);
    }
    let mut problems = Vec::new();
    let mut first_seen: Vec<Option<usize>> = vec![None; columns.len()];
    for (i, place) in found.iter().enumerate() {
        match *place {
            None => {
                let reason = format!("field {} of the header is not a declared column", i + 1);
                problems.push(CsvProblem::of_row(0, reason));
            }
            Some(j) => match first_seen[j] {
                None => first_seen[j] = Some(i),
                Some(before) => {
                    let reason = format!("appears twice in the header, as fields {} and {}", before + 1, i + 1);
                    problems.push(CsvProblem::of_cell(0, columns[j], reason));
                }
            },
        }
    }
    for (column, seen) in columns.iter().zip(&first_seen) {
        if seen.is_none() {
            problems.push(CsvProblem::of_cell(0, column, "is declared but missing from the header"));
        }
    }
    if problems.is_empty() { Ok(found.into_iter().flatten().collect()) } else { Err(problems) }
}

/// Why no field is a declared column: perhaps another delimiter.
fn no_header(fields: &[&[u8]], declared: impl Fn(&[u8]) -> bool) -> String {
    for (delimiter, word) in [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")] {
        let mut pieces = fields.iter().flat_map(|field| field.split(|&byte| byte == delimiter));
        if fields.iter().any(|field| field.contains(&delimiter)) && pieces.any(|piece| declared(unquoted(piece))) {
            return format!("the columns are separated by {word}: separate them by commas");
        }
    }
    "the first line must be the header: it holds none of the declared columns".into()
}

fn unquoted(piece: &[u8]) -> &[u8] {
    let piece = piece.trim_ascii();
    piece.strip_prefix(b"\"").and_then(|p| p.strip_suffix(b"\"")).unwrap_or(piece)
}
