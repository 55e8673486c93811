//! Two histograms side by side, bin by bin.

use maud::{Markup, html};

use super::super::text::percent;

/// One bin: what it is called, its share (0 to 1) in the real table and in the synthetic one.
pub(in super::super) struct Bar<'a> {
    pub name: &'a str,
    pub real: f64,
    pub synthetic: f64,
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 84.0;
const FOOT: f64 = 14.0;

/// Bars of `bins`, scaled to the tallest. `ends` are written below the first and the last bin.
pub(in super::super) fn bars(label: &str, bins: &[Bar<'_>], ends: Option<[&str; 2]>) -> Markup {
    let top = bins.iter().flat_map(|bin| [bin.real, bin.synthetic]).fold(0.0, f64::max).max(1e-9);
    let slot = WIDTH / bins.len().max(1) as f64;
    let thick = (slot * 0.42).min(16.0);
    let height = |share: f64| (HEIGHT - 2.0) * share / top;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", HEIGHT + FOOT)) role="img" aria-label=(label) {
            line.axis x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
            @for (at, bin) in bins.iter().enumerate() {
                @let middle = slot * (at as f64 + 0.5);
                g {
                    title { (bin.name) ": real " (percent(bin.real)) ", synthetic " (percent(bin.synthetic)) }
                    (bar("real", (middle - thick, thick), height(bin.real)))
                    (bar("made", (middle, thick), height(bin.synthetic)))
                }
            }
            @if let Some([first, last]) = ends {
                text x="0" y=(HEIGHT + 11.0) { (first) }
                text x=(WIDTH) y=(HEIGHT + 11.0) text-anchor="end" { (last) }
            }
        }
    }
}

fn bar(class: &str, (left, thick): (f64, f64), height: f64) -> Markup {
    html! {
        rect class=(class) x=(short(left)) y=(short(HEIGHT - height)) width=(short(thick)) height=(short(height)) {}
    }
}

fn short(x: f64) -> String {
    format!("{x:.1}")
}
