//! Figures as inline SVG: no script, no file from elsewhere, colours by the style sheet (so that light, dark and
//! print are one drawing), and for each a title that says what a reader who cannot see it would miss.

mod bars;
mod heat;
mod intervals;
mod lines;

pub(super) use bars::{Bar, bars};
pub(super) use heat::{Heat, heat};
pub(super) use intervals::{Interval, intervals};
pub(super) use lines::{Axis, Line, Plot, lines};
