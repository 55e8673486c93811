//! Curves over two axes.

use maud::{Markup, html};

use super::super::text::figure;

/// A curve: its class (`real`, `made` or `up`), its points, whether they are joined.
pub(in super::super) struct Line {
    pub class: &'static str,
    pub points: Vec<(f64, f64)>,
    pub joined: bool,
}

/// One axis: its name, its ends, and whether it grows by factors.
pub(in super::super) struct Axis<'a> {
    pub name: &'a str,
    pub ends: (f64, f64),
    pub logarithmic: bool,
    pub ticks: &'a [f64],
}

/// A drawing of lines.
pub(in super::super) struct Plot<'a> {
    /// What it shows, for those who cannot see it.
    pub label: &'a str,
    pub x: Axis<'a>,
    pub y: Axis<'a>,
    pub lines: &'a [Line],
    /// Where the dashed line of what is ideal runs.
    pub guide: Option<[(f64, f64); 2]>,
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 58.0;
const BELOW: f64 = 36.0;
const EDGE: f64 = 8.0;

impl Axis<'_> {
    /// The part of the axis, 0 to 1, that lies below `x`.
    fn part(&self, x: f64) -> f64 {
        let of = |x: f64| if self.logarithmic { x.max(1e-12).ln() } else { x };
        let (low, high) = (of(self.ends.0), of(self.ends.1));
        if high > low { ((of(x) - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// The drawing.
pub(in super::super) fn lines(plot: &Plot<'_>) -> Markup {
    let x = |v: f64| LEFT + (WIDTH - LEFT - EDGE) * plot.x.part(v);
    let y = |v: f64| HEIGHT - BELOW - (HEIGHT - BELOW - EDGE) * plot.y.part(v);
    let place = |&(a, b): &(f64, f64)| format!("{:.1},{:.1}", x(a), y(b));
    let path = |points: &[(f64, f64)]| points.iter().map(place).collect::<Vec<_>>().join(" ");
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(plot.label)
            style=(format!("max-width:{:.0}px", WIDTH * 1.35)) {
            rect.axis x=(LEFT) y=(EDGE) width=(WIDTH - LEFT - EDGE) height=(HEIGHT - BELOW - EDGE) {}
            @for &tick in plot.x.ticks {
                line.axis x1=(x(tick)) x2=(x(tick)) y1=(HEIGHT - BELOW) y2=(HEIGHT - BELOW + 4.0) {}
                text x=(x(tick)) y=(HEIGHT - BELOW + 15.0) text-anchor="middle" { (figure(tick)) }
            }
            @for &tick in plot.y.ticks {
                line.axis x1=(LEFT - 4.0) x2=(LEFT) y1=(y(tick)) y2=(y(tick)) {}
                text x=(LEFT - 6.0) y=(y(tick) + 4.0) text-anchor="end" { (figure(tick)) }
            }
            text x=((LEFT + WIDTH) / 2.0) y=(HEIGHT - 5.0) text-anchor="middle" { (plot.x.name) }
            text transform=(format!("translate(10 {:.0}) rotate(-90)", (HEIGHT - BELOW) / 2.0)) text-anchor="middle" {
                (plot.y.name)
            }
            @if let Some(guide) = &plot.guide { polyline.guide points=(path(guide)) {} }
            @for line in plot.lines {
                @if line.joined { polyline class=(format!("line {}", line.class)) points=(path(&line.points)) {} }
                @for &(a, b) in &line.points { circle class=(line.class) cx=(x(a)) cy=(y(b)) r="3.2" {} }
            }
        }
    }
}
