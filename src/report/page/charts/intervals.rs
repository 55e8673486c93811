//! Estimates with their intervals, one below the other, on one axis.

use maud::{Markup, html};

use super::super::text::figure;

/// An estimate with its interval.
pub(in super::super) struct Interval {
    pub name: String,
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

const WIDTH: f64 = 620.0;
const NAMES: f64 = 235.0;
const FIGURES: f64 = 130.0;
const LINE: f64 = 22.0;

/// The intervals on an axis from `ends.0` to `ends.1`, with a dashed line at `mark`: the value of no effect.
pub(in super::super) fn intervals(label: &str, rows: &[Interval], ends: (f64, f64), mark: (f64, &str)) -> Markup {
    let room = WIDTH - NAMES - FIGURES;
    let at = |x: f64| NAMES + room * ((x - ends.0) / (ends.1 - ends.0)).clamp(0.0, 1.0);
    let bottom = LINE * rows.len() as f64 + 4.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", bottom + 32.0)) role="img" aria-label=(label)
            style=(format!("min-width:30rem;max-width:{WIDTH}px")) {
            line.guide x1=(at(mark.0)) x2=(at(mark.0)) y1="0" y2=(bottom) {}
            @for (i, row) in rows.iter().enumerate() {
                @let y = LINE * (i as f64 + 0.5);
                text x="0" y=(y + 4.0) { (row.name) }
                line.span x1=(at(row.low)) x2=(at(row.high)) y1=(y) y2=(y) {}
                circle.made cx=(at(row.value)) cy=(y) r="4" {}
                text x=(WIDTH) y=(y + 4.0) text-anchor="end" {
                    (figure(row.value)) " (" (figure(row.low)) " to " (figure(row.high)) ")"
                }
            }
            line.axis x1=(NAMES) x2=(NAMES + room) y1=(bottom) y2=(bottom) {}
            text x=(NAMES) y=(bottom + 13.0) { (figure(ends.0)) }
            text x=(NAMES + room) y=(bottom + 13.0) text-anchor="end" { (figure(ends.1)) }
            text x=(at(mark.0)) y=(bottom + 27.0) text-anchor="middle" { (mark.1) }
        }
    }
}
