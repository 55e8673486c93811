//! Figures and names as text.

/// A figure as short as it can be said: three decimals below 10, fewer above, powers of ten where it is tiny.
#[must_use]
pub fn figure(x: f64) -> String {
    match x.abs() {
        size if size == 0.0 || !size.is_finite() => "0".into(),
        size if size < 5e-4 => format!("{x:.0e}"),
        size if size < 10.0 => trimmed(format!("{x:.3}")),
        size if size < 1000.0 => trimmed(format!("{x:.1}")),
        _ => grouped(x.round() as i64),
    }
}

/// A share as a percentage.
#[must_use]
pub fn percent(share: f64) -> String {
    let x = 100.0 * share;
    let digits = if x.abs() < 0.1 { 3 } else { 1 };
    let text = trimmed(format!("{x:.digits$}"));
    format!("{} %", if text == "-0" { "0" } else { &text })
}

/// A count with its thousands apart.
#[must_use]
pub fn count(n: usize) -> String {
    grouped(n as i64)
}

/// A name of at most `most` characters, with dots where it was longer.
pub(super) fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.into();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

fn grouped(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::from(if n < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
