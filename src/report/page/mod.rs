//! Reports as pages: one HTML file each, with no script and nothing loaded from anywhere, for a statistician and for a
//! data-protection officer: answers first, then the evidence. Text is escaped by `maud`; names of columns and
//! values are as the custodian declared them.

mod about;
mod charts;
mod comparison;
mod document;
mod evidence;
mod fidelity;
mod frame;
mod language;
mod promise;
mod released;
mod text;
mod utility;
mod verdict;

pub use about::About;
pub use comparison::{comparison_page, released_comparison_page};
pub use document::{custodian_page, released_page};
pub use frame::STYLE;
pub use text::{count, figure, percent};
