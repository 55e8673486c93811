//! Rows as tokens and back. [`Compact`] has one token a column, for the small model that is trained from
//! scratch; [`Text`] writes sentences, for models that have read text before. Both say, place by place,
//! which tokens may come next, so that whatever is written by choosing among them is a valid row.

mod codec;
mod compact;
mod cursor;
mod digits;
mod sets;
mod text;
mod trie;

pub use codec::Codec;
pub use compact::{BINS, Compact, NARROW, START};
pub use cursor::{Cursor, Next};
pub use text::{Text, TextError, Words};
