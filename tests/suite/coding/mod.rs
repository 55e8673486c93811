//! Tests of `tabular`'s codecs: laws over random schemas.

mod compact;
mod text;
pub mod words;
