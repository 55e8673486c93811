//! A square matrix as a heat map.

use maud::{Markup, html};

use super::super::text::{figure, shortened};

/// A square matrix over named columns: `values[i * names.len() + j]`, `None` where there is nothing to say.
pub(in super::super) struct Heat<'a> {
    /// What it shows, for those who cannot see it.
    pub label: &'a str,
    pub names: &'a [String],
    pub values: &'a [Option<f64>],
    /// The magnitude that gets the full colour; negative values get the other one.
    pub full: f64,
}

const CELL: f64 = 18.0;
const MARGIN: f64 = 96.0;
/// Room for the slanted name of the last column.
const RIGHT: f64 = 44.0;
/// Characters of a name that the margin has room for.
const NAME: usize = 15;
/// Columns up to which every cell says its value to a pointer that rests on it.
const TOLD: usize = 30;

/// The map; colours by sign, strength by magnitude.
pub(in super::super) fn heat(map: &Heat<'_>) -> Markup {
    let n = map.names.len();
    let side = CELL * n as f64;
    html! {
        svg viewBox=(format!("0 0 {} {}", MARGIN + side + RIGHT, MARGIN + side + 2.0)) role="img" aria-label=(map.label)
            style=(format!("max-width:{:.0}px", (MARGIN + side + RIGHT) * 1.15)) {
            @for (i, name) in map.names.iter().enumerate() {
                @let at = MARGIN + CELL * (i as f64 + 0.68);
                text x=(MARGIN - 5.0) y=(at) text-anchor="end" { (shortened(name, NAME)) }
                text transform=(format!("translate({at:.1} {:.1}) rotate(-60)", MARGIN - 5.0)) { (shortened(name, NAME)) }
            }
            @for (at, value) in map.values.iter().enumerate() {
                (cell(map, (at / n.max(1), at % n.max(1)), *value))
            }
            rect.axis x=(MARGIN) y=(MARGIN) width=(side) height=(side) {}
        }
    }
}

fn cell(map: &Heat<'_>, (row, column): (usize, usize), value: Option<f64>) -> Markup {
    let Some(value) = value else { return html! {} };
    let strength = (value.abs() / map.full).min(1.0);
    let told = map.names.len() <= TOLD;
    html! {
        @if told || strength >= 0.02 {
            rect class=(if value < 0.0 { "down" } else { "up" }) fill-opacity=(format!("{strength:.2}"))
                x=(MARGIN + CELL * column as f64) y=(MARGIN + CELL * row as f64) width=(CELL) height=(CELL) {
                @if told { title { (map.names[row]) " and " (map.names[column]) ": " (figure(value)) } }
            }
        }
    }
}
