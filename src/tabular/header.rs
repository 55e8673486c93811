//! The first line of a table: which field holds which declared column.

use std::collections::{HashMap, HashSet};

use super::cell::NOT_UTF8;
use super::problem::TableProblem;
use super::spelling::{Nearness, folded, nearness};
use super::spreadsheet::aliases;

/// Undeclared fields that are reported one by one, so that columns that are missing have room.
const MOST_UNKNOWN: usize = 10;
/// What tables are separated by that are not separated by commas.
const DELIMITERS: [(u8, &str); 3] = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars")];

/// The column of each field, by name; every column exactly once.
///
/// # Errors
/// Problems of row 0. They name declared columns and positions and never the text found, because
/// where the header is missing that text is somebody's data.
pub(super) fn order(fields: &[&[u8]], columns: &[&str]) -> Result<Vec<usize>, Vec<TableProblem>> {
    let guarded = aliases(columns);
    let mut names: HashMap<&[u8], usize> = guarded.iter().map(|(name, place)| (name.as_bytes(), *place)).collect();
    names.extend(columns.iter().enumerate().map(|(j, name)| (name.as_bytes(), j)));
    let find = |field: &[u8]| names.get(field).or_else(|| names.get(field.trim_ascii())).copied();
    let found: Vec<Option<usize>> = fields.iter().map(|field| find(field)).collect();
    if found.iter().all(Option::is_none) {
        let alike: HashSet<String> = columns.iter().map(|name| folded(name)).collect();
        let written = |field: &[u8]| std::str::from_utf8(field).is_ok_and(|field| alike.contains(&folded(field)));
        let dialect = dialect(fields, |piece| find(piece).is_some());
        if dialect.is_some() || !fields.iter().any(|field| written(field)) {
            let none = "the first line must be the header: it holds none of the declared columns";
            return Err(vec![TableProblem::of_row(0, dialect.unwrap_or_else(|| none.into()))]);
        }
    }
    let mut first_seen: Vec<Option<usize>> = vec![None; columns.len()];
    let mut twice = Vec::new();
    for (i, j) in found.iter().enumerate().filter_map(|(i, place)| Some((i, (*place)?))) {
        match first_seen[j] {
            None => first_seen[j] = Some(i),
            Some(before) => {
                let reason = format!("appears twice in the header, as fields {} and {}", before + 1, i + 1);
                twice.push(TableProblem::of_cell(0, columns[j], reason));
            }
        }
    }
    let missing = || columns.iter().zip(&first_seen).filter(|(_, seen)| seen.is_none()).map(|(name, _)| *name);
    let unknown: Vec<usize> = (0..fields.len()).filter(|&i| found[i].is_none()).collect();
    let mut problems: Vec<TableProblem> = Vec::new();
    for &i in unknown.iter().take(MOST_UNKNOWN) {
        problems.push(TableProblem::of_row(0, undeclared(i, fields[i], missing())));
    }
    if unknown.len() > MOST_UNKNOWN {
        let more = unknown.len() - MOST_UNKNOWN;
        problems.push(TableProblem::of_row(0, format!("{more} further fields of the header are not declared columns")));
    }
    problems.extend(twice);
    problems.extend(missing().map(|name| TableProblem::of_cell(0, name, "is declared but missing from the header")));
    if problems.is_empty() { Ok(found.into_iter().flatten().collect()) } else { Err(problems) }
}

/// What is wrong with a field that is no declared column, and what may have been meant.
fn undeclared<'a>(i: usize, field: &[u8], missing: impl Iterator<Item = &'a str>) -> String {
    let place = format!("field {} of the header", i + 1);
    let Ok(text) = std::str::from_utf8(field) else { return format!("{place} {NOT_UTF8}") };
    if text.trim().is_empty() {
        return format!("{place} is not a declared column and has no name: remove the column, or the comma too many");
    }
    unknown(&place, text, missing)
}

/// What is wrong with a name that is no declared column, and what may have been meant.
pub(super) fn unknown<'a>(place: &str, text: &str, missing: impl Iterator<Item = &'a str>) -> String {
    let near = missing.filter_map(|name| Some((nearness(text, name)?, name)));
    // What differs in form alone goes before what differs in letters.
    match near.min_by_key(|(nearness, _)| *nearness == Nearness::Letters) {
        Some((Nearness::Form, name)) => format!(
            "{place} is not a declared column, but {name:?} with other case, blanks or punctuation: rename it to {name:?}"
        ),
        Some((Nearness::Letters, name)) => {
            format!("{place} is not a declared column, but nearly {name:?}: if that is meant, rename it to {name:?}")
        }
        None => format!("{place} is not a declared column: remove it from the table, or declare it"),
    }
}

/// Why no field is a declared column, if the table is in another dialect.
fn dialect(fields: &[&[u8]], declared: impl Fn(&[u8]) -> bool) -> Option<String> {
    for (delimiter, word) in DELIMITERS {
        let mut pieces = fields.iter().flat_map(|field| field.split(|&byte| byte == delimiter));
        if fields.iter().any(|field| field.contains(&delimiter)) && pieces.any(|piece| declared(unquoted(piece))) {
            return Some(format!("the columns are separated by {word}: separate them by commas"));
        }
    }
    if let [line] = fields
        && line.split(|&byte| byte == b',').filter(|piece| declared(unquoted(piece))).count() > 1
    {
        return Some("each line is between quotes as a whole: leave these quotes out".into());
    }
    if fields.iter().any(|field| declared(unquoted(field))) {
        let rule = "the names are quoted in another way than RFC 4180 has it: put them between double quotes, without \
            blanks before them, or leave the quotes out";
        return Some(rule.into());
    }
    if fields.first().is_some_and(|field| field.starts_with(b"sep=")) {
        return Some(
            "the first line is a spreadsheet's note on its separator: remove it, and separate by commas".into(),
        );
    }
    fields.iter().any(|field| std::str::from_utf8(field).is_err()).then(|| format!("the header {NOT_UTF8}"))
}

/// What a row is separated by that has another number of fields than there are columns, if that explains it.
pub(super) fn other_delimiter(line: &[u8], columns: usize) -> Option<&'static str> {
    let separated = |delimiter: u8| line.iter().filter(|&&byte| byte == delimiter).count() + 1 == columns;
    DELIMITERS.into_iter().find(|(delimiter, _)| columns > 1 && separated(*delimiter)).map(|(_, word)| word)
}

/// A field without quotes of any kind around it, and blanks around those.
fn unquoted(piece: &[u8]) -> &[u8] {
    let piece = piece.trim_ascii();
    let between = |quote: &[u8]| piece.strip_prefix(quote).and_then(|p| p.strip_suffix(quote));
    between(b"\"").or_else(|| between(b"'")).unwrap_or(piece)
}
