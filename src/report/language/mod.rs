//! The language model of a job: how well it knows the language of the table ([`Perplexities`], [`Validity`]), and what
//! writing and training took ([`Generation`], [`Energy`]). Figures come in as arguments: this room reads no clock and
//! no meter.

mod effort;
mod view;

pub use effort::{Energy, EnergySource, Generation, WATTS_PER_CORE};
pub use view::{LanguageView, Perplexities, Perplexity, TokenPerplexities, Validity};
