//! Text that a spreadsheet would take for a formula, made plain by an apostrophe before it.
//!
//! Who opens a CSV with a spreadsheet has every cell read as if it had been typed, quotes or not: `=HYPERLINK(...)` in a
//! category is then carried out. Numbers are left alone, negative ones too.

use std::borrow::Cow;
use std::collections::HashSet;

use super::column::Domain;
use super::schema::Schema;

/// What formulas begin with, and what hides it, in the narrow and in the full-width form.
const TRIGGERS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
/// What another language's spreadsheet takes for the end of a cell, quotes or not.
const ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// The text with an apostrophe before whatever a spreadsheet would take for a formula: at the beginning, and where
/// another separator of cells is expected.
pub(super) fn guarded(text: &str) -> Cow<'_, str> {
    if !text.contains(TRIGGERS) || is_negative(text) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut begins) = (String::with_capacity(text.len() + 1), true);
    for c in text.chars() {
        if begins && TRIGGERS.contains(&c) {
            out.push('\'');
            begins = false;
        }
        out.push(c);
        begins = ENDS.contains(&c) || begins && is_skipped(c);
    }
    // Most texts that hold such a sign hold it somewhere else.
    if out.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// The guarded forms of names, where they differ and no other name is spelt so, with the places of the names.
pub(super) fn aliases(names: &[&str]) -> Vec<(String, usize)> {
    let known: HashSet<&str> = names.iter().copied().collect();
    let alias = |(place, name): (usize, &&str)| match guarded(name) {
        Cow::Owned(alias) if !known.contains(alias.as_str()) => Some((alias, place)),
        _ => None,
    };
    names.iter().enumerate().filter_map(alias).collect()
}

/// Whether the default form of tables of this schema is the raw form too, byte for byte.
#[must_use]
pub fn is_plain(schema: &Schema) -> bool {
    schema.columns().iter().all(|column| {
        let categories = match &column.domain {
            Domain::Categories(names) => names.as_slice(),
            Domain::Grid(_) => &[],
        };
        let mut texts = categories.iter().chain([&column.name]);
        texts.all(|text| !text.contains(ENDS) && matches!(guarded(text), Cow::Borrowed(_)))
    })
}

/// What a reader of cells may pass over before it looks for a formula.
fn is_skipped(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\u{feff}' | '\u{200b}')
}

/// Whether a text is a plain negative number, which means the same to everybody.
fn is_negative(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else { return false };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).map_or((rest, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    digits(whole) && digits(fraction) && exponent.is_none_or(digits)
}
