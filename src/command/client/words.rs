//! How figures and texts look to a person.

use serde_json::Value;

/// A text that may have come from anywhere, without what a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c }).collect()
}

/// A member that is a text; a dash where it is none.
pub fn text<'a>(document: &'a Value, member: &str) -> &'a str {
    document[member].as_str().unwrap_or("-")
}

/// A number as one would write it.
pub fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(x) if x != 0.0 && x.abs() < 1e-3 => format!("{x:e}"),
        Some(x) => format!("{x}"),
        None => "-".into(),
    }
}

/// A share of 1.
pub fn percent(value: &Value) -> String {
    value.as_f64().map_or("-".into(), |x| format!("{:.1} %", 100.0 * x))
}

/// A time of RFC 3339, to the second.
pub fn moment(value: &Value) -> String {
    value.as_str().map_or("-".into(), |at| at.chars().take(19).collect::<String>().replace('T', " "))
}

/// A number of seconds.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// A number of bytes.
pub fn bytes(value: &Value) -> String {
    match value.as_f64() {
        Some(x) if x >= 1e9 => format!("{:.1} GB", x / 1e9),
        Some(x) if x >= 1e6 => format!("{:.0} MB", x / 1e6),
        Some(x) => format!("{x} bytes"),
        None => "-".into(),
    }
}

/// A part of a path or of a query, with everything escaped that could be taken for something else.
pub fn segment(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => escaped.push(char::from(byte)),
            other => escaped += &format!("%{other:02X}"),
        }
    }
    escaped
}

/// Rows in columns, each as wide as its widest cell.
pub fn columns(rows: &[Vec<String>]) -> String {
    let wide = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|c| c.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..wide).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_short_and_names_are_no_paths() {
        assert_eq!([number(&json!(1.0)), number(&json!(1e-5)), number(&json!(null))], ["1", "1e-5", "-"]);
        assert_eq!([span(59.6), span(61.0), span(7300.0)], ["1 min 0 s", "1 min 1 s", "2 h 1 min"]);
        assert_eq!(segment("a b/ü?"), "a%20b%2F%C3%BC%3F");
        assert_eq!(plain("a\u{1b}[2J\n"), "a?[2J\n");
        assert_eq!(columns(&[vec!["a".into(), "b".into()], vec!["long".into(), "c".into()]]), "a     b\nlong  c");
    }
}
