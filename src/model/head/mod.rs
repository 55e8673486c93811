//! What each place of a row may write: the softmax on top of the model, its loss, and the gradients of
//! everything that the token embeddings take part in (they are read below and, where the output matrix
//! is tied to them, used again on top).

mod all;
mod heads;
mod places;
mod reads;
mod sets;

pub(in crate::model) use all::logits;
pub use heads::{Heads, NONE};
